//! A PostgreSQL server of this program's own, for tests that need one where none is named. It is
//! started once, forgets what a loss of power would take, and ends with the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const SETTINGS: [&str; 4] =
    ["max_connections=300", "listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off"];

/// Of its own database, for somebody who may make others.
pub fn address() -> String {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(start).clone()
}

fn start() -> String {
    let folder = tempfile::tempdir().expect("a folder").keep();
    if is_root() {
        run(Command::new("chown").arg("postgres").arg(&folder));
    }
    let data = folder.join("data");
    let mut initdb = program("initdb", &folder);
    run(initdb.arg("-D").arg(&data).args(["--username=postgres", "--auth=trust", "--no-sync"]));
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let mut postgres = program("postgres", &folder);
    postgres.arg("-D").arg(&data).arg("-k").arg(&folder).args(["-p", &port.to_string()]);
    for setting in SETTINGS {
        postgres.args(["-c", setting]);
    }
    // It is told to end when the thread that started it does, so that one waits for it.
    std::thread::spawn(move || {
        let mut server = postgres.spawn().expect("PostgreSQL starts");
        server.wait().ok();
    });
    let until = Instant::now() + Duration::from_secs(60);
    let ready = || {
        let mut asked = program("pg_isready", &folder);
        asked.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        asked.status().is_ok_and(|status| status.success())
    };
    while !ready() {
        assert!(Instant::now() < until, "PostgreSQL did not come up in {}", folder.display());
        std::thread::sleep(Duration::from_millis(50));
    }
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// One of PostgreSQL's programs, which will not run as root.
fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=INT");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--").arg(programs().join(name)).current_dir(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Debian keeps each version's programs in a folder of its own; the newest is taken.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/initdb").exists())
        .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    newest.expect("PostgreSQL (apt-get install postgresql)").path().join("bin")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout.trim_ascii() == b"0"
}

fn run(command: &mut Command) {
    let status = command.status().expect("it runs");
    assert!(status.success(), "{command:?}");
}
