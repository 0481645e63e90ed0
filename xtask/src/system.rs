//! What the product needs from a Debian or Ubuntu system, and getting it.

use crate::command::Command;
use anyhow::{Result, bail};

/// A package, and the file or program that shows that it is there by another way too.
pub type Packages = [&'static str];

/// To build and run the app.
pub const BUILD: [&str; 8] = [
    "build-essential",
    "pkg-config",
    "libwebkit2gtk-4.1-dev",
    "librsvg2-dev",
    "libxdo-dev",
    "libssl-dev",
    "file",
    "util-linux",
];

/// To run it as a person does: links, the keyring.
pub const RUN: [&str; 5] = ["xdg-utils", "desktop-file-utils", "dbus", "dbus-x11", "gnome-keyring"];

/// To drive its window without a person, and the servers that the relay is tested with.
pub const TEST: [&str; 10] = [
    "chromium",
    "webkit2gtk-driver",
    "xvfb",
    "postgresql",
    "redis-server",
    "libsecret-tools",
    "imagemagick",
    "python3",
    "python3-pip",
    "python3-venv",
];

/// Which of `packages` are not installed.
pub fn missing(packages: &Packages) -> Vec<&'static str> {
    let installed = |name: &str| {
        Command::new("dpkg-query", ["--show", "--showformat=${db:Status-Status}\n", name])
            .read_quietly()
            .is_some_and(|status| status.lines().any(|line| line == "installed"))
    };
    packages.iter().copied().filter(|name| !installed(name)).collect()
}

/// Installs what is missing, as root or by sudo without a password; else says what to type.
pub fn ensure(packages: &Packages) -> Result<()> {
    if !Command::new("dpkg-query", ["--version"]).succeeds() {
        println!(
            "This is not a Debian system: if the build misses something, `cargo xtask doctor` lists what it needs."
        );
        return Ok(());
    }
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    let install = |prefix: &[&str]| -> Result<()> {
        let apt = |arguments: &[&str]| {
            let mut words: Vec<&str> = prefix.to_vec();
            words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            words.extend(arguments);
            Command::new(words[0], &words[1..]).run()
        };
        apt(&["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
        arguments.extend(&missing);
        apt(&arguments)
    };
    if Command::new("id", ["-u"]).read()? == "0" {
        return install(&[]);
    }
    if Command::new("sudo", ["-n", "true"]).succeeds() {
        return install(&["sudo", "-n"]);
    }
    bail!(
        "Some system packages are missing. Type this, then run the same command again:\n\n    \
         sudo apt-get install --no-install-recommends {}\n",
        missing.join(" ")
    );
}

/// Says what is there and what is not.
pub fn doctor() -> Result<()> {
    for (program, argument, why) in [
        ("rustc", "--version", "compiles everything; the version is in rust-toolchain.toml"),
        ("node", "--version", "builds the page; 20.19 or newer"),
        ("npm", "--version", "installs what the page is built with"),
    ] {
        match Command::new(program, [argument]).read() {
            Ok(version) => println!("✓ {program:8} {version}"),
            Err(_) => println!("✗ {program:8} missing: {why}"),
        }
    }
    for (packages, why) in
        [(&BUILD[..], "build the app"), (&RUN[..], "run it"), (&TEST[..], "test it")]
    {
        let missing = missing(packages);
        if missing.is_empty() {
            println!("✓ packages to {why}");
        } else {
            println!("✗ packages to {why}: sudo apt-get install {}", missing.join(" "));
        }
    }
    Ok(())
}
