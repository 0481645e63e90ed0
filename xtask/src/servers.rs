//! A PostgreSQL server of our own, for as long as something needs one: in a folder of its own, on a
//! free port, for whoever is on this machine. Nothing of what the system itself may run is touched.

use crate::command::{Background, Command};
use crate::environment;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
/// Each test may have several relays, and each relay a pool.
const SETTINGS: [&str; 4] = [
    "max_connections=400",
    "listen_addresses=127.0.0.1",
    "log_min_messages=fatal",
    "autovacuum_naptime=5",
];

/// A server that runs; it ends, and its folder goes, when this is dropped.
pub struct Postgres {
    server: Background,
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts one that keeps what it has acknowledged, whatever happens.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &[])
    }

    /// Starts one that a loss of power may damage, and that is quicker for it.
    pub fn start_forgetful(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &["fsync=off", "synchronous_commit=off", "full_page_writes=off"])
    }

    fn start_with(folder: &Path, settings: &[&str]) -> Result<Self> {
        let programs = programs()?;
        fs::remove_dir_all(folder).ok();
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        if is_root()? {
            // It refuses to run as root.
            Command::new("chown", ["postgres"]).arg(&folder).run()?;
        }
        let data = folder.join("data");
        as_its_user(programs.join("initdb"))?
            .arg("--pgdata")
            .arg(&data)
            .arg("--username=postgres")
            .arg("--auth=trust")
            .arg("--encoding=UTF8")
            .arg("--locale=C.UTF-8")
            .arg("--no-sync")
            .current_dir(&folder)
            .read()?;
        let port = environment::port(0)?;
        let mut server = as_its_user(programs.join("postgres"))?
            .arg("-D")
            .arg(&data)
            .arg("-p")
            .arg(port.to_string())
            .arg("-k")
            .arg(&folder)
            .current_dir(&folder);
        for setting in SETTINGS.iter().chain(settings) {
            server = server.arg("-c").arg(setting);
        }
        let log = fs::File::create(folder.join("server.log"))?;
        let server = server.start(Stdio::from(log.try_clone()?), Stdio::from(log))?;
        let mut postgres = Self { server, folder, programs, port };
        postgres.await_ready()?;
        Ok(postgres)
    }

    fn await_ready(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.server.check()?;
            let port = self.port.to_string();
            let asked = Command::new(self.program("pg_isready"), ["-q", "-h", "127.0.0.1", "-p"]);
            if asked.arg(port).succeeds() {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("PostgreSQL did not come up; its log is in {}", self.folder.display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// One of the programs that come with it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The address of its own database, for somebody who may make others.
    pub fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes a database; answers its address.
    pub fn database(&self, name: &str) -> Result<String> {
        Command::new(self.program("createdb"), ["-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(self.port.to_string())
            .arg(name)
            .run()?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.port))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT ends it whoever is connected; that is awaited where `server` is dropped.
        let id = self.server.child.id().to_string();
        Command::new("kill", ["-INT", &id]).succeeds();
        self.server.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A program that will not run as root, as the user whom the package made.
fn as_its_user(program: PathBuf) -> Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program, [""; 0]));
    }
    let user = ["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT", "--"];
    Ok(Command::new("setpriv", user).arg(program))
}

fn is_root() -> Result<bool> {
    Ok(Command::new("id", ["-u"]).read()? == "0")
}

/// Debian keeps each version's programs in a folder of its own; the newest is taken.
fn programs() -> Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|folder| Some((folder.file_name().to_str()?.parse().ok()?, folder.path())))
        .filter(|(_, folder)| folder.join("bin/initdb").exists())
        .collect();
    versions.sort();
    match versions.pop() {
        Some((_, folder)) => Ok(folder.join("bin")),
        None => {
            let asked = Command::new("pg_config", ["--bindir"]).read_quietly();
            asked.map(PathBuf::from).context("PostgreSQL is not installed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_our_own_makes_databases_and_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("xtask-postgres-{}", std::process::id()));
        let postgres = Postgres::start(&folder).expect("it comes up");
        let address = postgres.database("relay").expect("a database");
        let asked = Command::new(postgres.program("psql"), ["-Atc", "SELECT 6 * 7", &address]);
        assert_eq!(asked.read().expect("an answer"), "42");
        drop(postgres);
        assert!(!folder.exists());
    }
}
