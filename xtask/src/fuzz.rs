//! `cargo xtask fuzz`: libFuzzer over the relay's fuzz targets, with the compiler that there is.
//!
//! cargo-fuzz wants a nightly compiler for its sanitizers; what libFuzzer is guided by (which edges
//! were taken, what was compared) a stable one can put in as well, by LLVM's own arguments.

use crate::command::{Command, cargo};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

#[derive(clap::Args)]
pub struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only this one.
    target: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seconds: 60, target: None }
    }
}

const TARGETS: [&str; 6] = ["signature", "svix", "envelope", "token", "answer", "sse"];

const GUIDED: &str = "-Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

pub fn run(options: &Options) -> Result<()> {
    let root = crate::root();
    let (fuzz, built) = (root.join("crates/relay/fuzz"), root.join("target/fuzz"));
    // The versions that the relay is built with.
    fs::copy(root.join("Cargo.lock"), fuzz.join("Cargo.lock")).context("copying Cargo.lock")?;
    let host = host()?;
    // With a target named, build scripts are left out of it.
    cargo(["build", "--release", "--target", &host, "--manifest-path"])
        .arg(fuzz.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&built)
        .env("RUSTFLAGS", GUIDED)
        .run()?;
    for target in TARGETS {
        if options.target.as_deref().is_none_or(|wanted| wanted == target) {
            let program = built.join(&host).join("release").join(target);
            fuzz_one(&fuzz, &program, target, options.seconds)?;
        }
    }
    Ok(())
}

fn fuzz_one(fuzz: &Path, program: &Path, target: &str, seconds: u32) -> Result<()> {
    let corpus = fuzz.join("corpus").join(target);
    let artifacts = fuzz.join("artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let seconds = format!("-max_total_time={seconds}");
    let artifacts = format!("-artifact_prefix={}/", artifacts.display());
    Command::new(program, [&seconds, &artifacts, "-max_len=4096", "-print_final_stats=1"])
        .arg(corpus)
        .arg(fuzz.join("seeds").join(target))
        .run()
}

/// The triple of this machine.
fn host() -> Result<String> {
    let said = Command::new("rustc", ["-vV"]).read()?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what machine this is")
}
