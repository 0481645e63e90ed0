//! A desktop of the journey's own: X server, session bus, keyring, home folder.

use super::process::{Background, clean};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The desktop; dropped last, so that everything on it has ended.
pub struct Desktop {
    variables: Vec<(String, String)>,
    home: tempfile::TempDir,
    _keyring: Option<Background>,
    _bus: Background,
    _screen: Background,
}

impl Desktop {
    /// Starts all of it. `language` is `es` or `en`.
    pub fn start(language: &str) -> Result<Self> {
        Self::start_all(language, true)
    }

    /// A desktop that has no keyring, as many have.
    pub fn start_without_keyring(language: &str) -> Result<Self> {
        Self::start_all(language, false)
    }

    fn start_all(language: &str, with_keyring: bool) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let runtime = home.path().join("runtime");
        fs::create_dir(&runtime)?;
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700))?;

        let (screen, display) = screen()?;
        let locale = if language == "es" { "es_ES.UTF-8" } else { "en_US.UTF-8" };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut variables: Vec<(String, String)> = [
            ("DISPLAY", display),
            ("HOME", text(home.path())),
            ("XDG_RUNTIME_DIR", text(&runtime)),
            ("XDG_DATA_HOME", text(&home.path().join("share"))),
            ("XDG_CONFIG_HOME", text(&home.path().join("config"))),
            ("XDG_CACHE_HOME", text(&home.path().join("cache"))),
            ("AUTOCREA_DATA_DIR", text(&home.path().join("autocrea"))),
            ("LANGUAGE", language.to_owned()),
            ("LANG", locale.to_owned()),
            // There is no graphics card here, and the compositor's fallback is slow.
            ("WEBKIT_DISABLE_COMPOSITING_MODE", "1".to_owned()),
            ("NO_AT_BRIDGE", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let (bus, address) = bus(home.path(), &variables)?;
        variables.push(("DBUS_SESSION_BUS_ADDRESS".to_owned(), address));
        let keyring = with_keyring.then(|| keyring(&variables)).transpose()?;
        Ok(Self { variables, home, _keyring: keyring, _bus: bus, _screen: screen })
    }

    /// A command on this desktop.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = clean(program);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A folder of the journey's own.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.home.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The app's data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("autocrea")
    }

    /// Takes a picture of the whole screen.
    pub fn picture(&self, name: &str) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/journeys");
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.png"));
        let status = self.command("import").args(["-window", "root"]).arg(file).status()?;
        ensure!(status.success(), "no picture of the screen");
        Ok(())
    }
}

fn screen() -> Result<(Background, String)> {
    let mut command = clean("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "1440x900x24", "-nolisten", "tcp"]);
    let mut screen = Background::start(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let number = first_line(&mut screen).context("Xvfb's display")?;
    Ok((screen, format!(":{number}")))
}

/// A session bus that starts no service by itself: a desktop has a keyring if we start one.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

fn bus(home: &Path, variables: &[(String, String)]) -> Result<(Background, String)> {
    let config = home.join("bus.conf");
    fs::write(&config, BUS)?;
    let mut command = clean("dbus-daemon");
    command.args(["--nofork", "--print-address=1"]);
    command.arg(format!("--config-file={}", config.display()));
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut bus = Background::start(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let address = first_line(&mut bus).context("the bus's address")?;
    Ok((bus, address))
}

/// A keyring that is unlocked from the start, as after a person's log-in.
fn keyring(variables: &[(String, String)]) -> Result<Background> {
    let mut command = clean("gnome-keyring-daemon");
    command.args(["--foreground", "--unlock", "--components=secrets"]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("gnome-keyring-daemon")?;
    child.stdin.take().context("its input")?.write_all(b"journey")?;
    Ok(Background(child))
}

fn first_line(process: &mut Background) -> Result<String> {
    let stdout = process.0.stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(!line.trim().is_empty(), "it ended without a word");
    Ok(line.trim().to_owned())
}
