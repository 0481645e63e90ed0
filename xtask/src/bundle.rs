//! `cargo xtask bundle`: installable packages. The app's are Tauri's; the relay's is made here by
//! `dpkg-deb` from the program, what stands in `packaging/`, and the documents.

use crate::command::{Command, cargo};
use crate::{page, system};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Options {
    /// Only the relay's package.
    #[arg(long)]
    relay: bool,
    /// A relay that is built already, to be packed as it is.
    #[arg(long, value_name = "PROGRAM", requires = "relay")]
    program: Option<PathBuf>,
}

pub fn run(options: &Options) -> Result<()> {
    if !options.relay {
        system::ensure(&system::BUILD)?;
        page::build()?;
        Command::new("npx", ["tauri", "build", "--bundles", "deb,rpm"])
            .current_dir(crate::root().join("ui"))
            .run()?;
    }
    let package = relay(options.program.as_deref())?;
    println!("{}", package.display());
    Ok(())
}

const MAINTAINER: &str = "JoxAI <noreply@autocrea.joxai.org>";

/// Where each file of the package comes from, where it goes, and who may do what with it.
const FILES: [(&str, &str, u32); 6] = [
    ("packaging/autocrea-relay.service", "usr/lib/systemd/system/autocrea-relay.service", 0o644),
    ("packaging/deb/relay.toml", "etc/autocrea/relay.toml", 0o640),
    ("packaging/deb/relay.env", "etc/autocrea/relay.env", 0o600),
    ("docs/DEPLOY.md", "usr/share/doc/autocrea-relay/DEPLOY.md", 0o644),
    ("docs/LOGGING.md", "usr/share/doc/autocrea-relay/LOGGING.md", 0o644),
    ("docs/SECURITY.md", "usr/share/doc/autocrea-relay/SECURITY.md", 0o644),
];
const SCRIPTS: [(&str, u32); 4] =
    [("conffiles", 0o644), ("postinst", 0o755), ("prerm", 0o755), ("postrm", 0o755)];

/// The relay's `.deb`.
fn relay(program: Option<&Path>) -> Result<PathBuf> {
    let root = crate::root();
    let program = match program {
        Some(program) => program.to_owned(),
        None => {
            cargo(["build", "--release", "--locked", "--package", "autocrea-relay"]).run()?;
            root.join("target/release/autocrea-relay")
        }
    };
    let folder = root.join("target/relay-deb");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("forgetting the package before")?;
    }
    for (from, to, mode) in FILES {
        put(&root.join(from), &folder.join(to), mode)?;
    }
    put(&program, &folder.join("usr/bin/autocrea-relay"), 0o755)?;
    for (script, mode) in SCRIPTS {
        put(&root.join("packaging/deb").join(script), &folder.join("DEBIAN").join(script), mode)?;
    }
    let (architecture, version) = (architecture()?, env!("CARGO_PKG_VERSION"));
    let libc = libc_version()?;
    let size = fs::metadata(&program)?.len() / 1024;
    let control = format!(
        "Package: autocrea-relay\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: {MAINTAINER}\nInstalled-Size: {size}\nDepends: libc6 (>= {libc}), ca-certificates, passwd\n\
         Suggests: postgresql, redis-server\nSection: net\nPriority: optional\n\
         Description: the hosted side of AUTOCREA\n \
         Keeps the secrets, meters the tokens, passes generations on, and tells the app at once\n \
         when something about the account has changed.\n"
    );
    fs::write(folder.join("DEBIAN/control"), control)?;
    let package = root.join(format!("target/autocrea-relay_{version}_{architecture}.deb"));
    Command::new("dpkg-deb", ["--root-owner-group", "--build"]).arg(&folder).arg(&package).run()?;
    Ok(package)
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let parent = to.parent().context("a file has a folder")?;
    fs::create_dir_all(parent)?;
    fs::copy(from, to).with_context(|| format!("packing {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// The C library that the program was linked to: an older one may not do.
fn libc_version() -> Result<String> {
    let said = Command::new("getconf", ["GNU_LIBC_VERSION"]).read()?;
    let version = said.split_whitespace().nth(1).context("getconf names no version")?;
    Ok(version.to_owned())
}

fn architecture() -> Result<String> {
    match Command::new("dpkg", ["--print-architecture"]).read() {
        Ok(name) if !name.is_empty() => Ok(name),
        _ => bail!("this is not a Debian system: `dpkg` is missing"),
    }
}
