//! The program itself: its commands, its exit codes, and what it says.

use crate::support::place::Place;
use crate::support::{ANA, Events, World};
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::DEFAULT;
use autocrea_relay::db::{Db, DbError};
use autocrea_relay::{account, ledger};
use reqwest::Method;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program, with nothing in its environment.
pub fn relay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autocrea-relay"));
    command.env_clear();
    command
}

/// Its exit code, and what it said on standard output and standard error.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

fn file(folder: &Path, database: &str) -> String {
    let text = format!(
        "public_url = \"http://127.0.0.1:5000\"\n[database]\nurl = \"{database}\"\n\
         [clerk]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"c\"\n\
         [stripe]\nsecret_key = \"sk\"\nwebhook_secret = \"whsec\"\napi_base = \"http://127.0.0.1:9\"\n\
         [joxcoder]\nurl = \"http://127.0.0.1:9/v1\"\n\
         [resend]\nbase_url = \"http://127.0.0.1:9\"\n\
         [plans.creator]\nprice_id = \"a\"\n[plans.pro]\nprice_id = \"b\"\n[plans.business]\nprice_id = \"c\"\n"
    );
    let path = folder.join("relay.toml");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[test]
fn a_faulty_configuration_ends_with_78_and_names_every_fault() {
    let (code, _, error) = run(relay().arg("serve").env("RELAY_BIND", "nowhere"));
    assert_eq!(code, 78);
    for name in ["RELAY_BIND", "STRIPE_SECRET_KEY", "CLERK_ISSUER", "JOXCODER_URL"] {
        assert!(error.contains(name), "{name} in {error}");
    }
    let (code, _, error) = run(relay().args(["--config", "no-such-file.toml"]));
    assert_eq!(code, 78);
    assert!(error.contains("no-such-file.toml") && error.contains("CLERK_ISSUER"), "{error}");
}

#[test]
fn a_command_that_is_not_understood_ends_with_64() {
    assert_eq!(run(relay().arg("fly")).0, 64);
    assert_eq!(run(relay().args(["grant", "user_x", "many", "--reason", "r"])).0, 64);
    assert_eq!(run(relay().args(["grant", "user_x", "5"])).0, 64, "a reason is needed");
    for misused in [
        &["--config"][..],
        &["--config", "", "check"],
        &["serve", "now"],
        &["events"],
        &["events", "show"],
        &["ledger"],
        &["stripe"],
        &["backup"],
        &["grant", "user_x", "0", "--reason", "r"],
        &["grant", "user_x", "-5", "--reason", "r"],
        &["grant", "user_x", "5", "--reason", " "],
        &["grant", "user_x", "5", "--reason", "r", "--days", "0"],
        &["grant", "user_x", "5", "--reason", "r", "--days", "-1"],
        &["--fly"],
    ] {
        let (code, said, error) = run(relay().args(misused));
        assert_eq!((code, said.as_str()), (64, ""), "{misused:?}");
        assert!(!error.is_empty(), "{misused:?}");
    }
    assert_eq!(run(relay().arg("--help")).0, 0);
    assert_eq!(run(relay().arg("--version")).1, "autocrea-relay 2.0.0\n");
}

#[test]
fn the_default_configuration_is_printed_without_any_being_needed() {
    let (code, text, _) = run(relay().arg("default-config"));
    assert_eq!((code, text.as_str()), (0, DEFAULT));
}

#[test]
fn the_file_may_be_named_before_or_after_the_command_or_in_the_environment() {
    let place = Place::bare();
    let path = file(place.path(), &place.url());
    assert_eq!(run(relay().args(["--config", &path, "migrate"])).0, 0);
    assert_eq!(run(relay().args(["migrate", "--config", &path])).0, 0);
    assert_eq!(run(relay().arg("migrate").env("RELAY_CONFIG", &path)).0, 0);
    let other = place.path().join("other.toml").display().to_string();
    std::fs::write(&other, "nonsense = 1").expect("written");
    let mut both = relay();
    both.args(["migrate", "--config", &path]).env("RELAY_CONFIG", &other);
    assert_eq!(run(&mut both).0, 0, "what is said beside the command counts");
    let empty = run(relay().arg("default-config").env("RELAY_CONFIG", ""));
    assert_eq!((empty.0, empty.1.as_str()), (0, DEFAULT), "an empty variable is not set");
    place.run("SELECT id FROM people");
}

#[test]
fn a_port_that_somebody_has_ends_with_69_and_is_named() {
    let place = Place::bare();
    let path = file(place.path(), &place.url());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    for (variable, other) in [("RELAY_BIND", "METRICS_BIND"), ("METRICS_BIND", "RELAY_BIND")] {
        let mut serve = relay();
        serve.args(["--config", &path]).env(variable, &taken).env(other, "127.0.0.1:0");
        let (code, _, error) = run(&mut serve);
        assert_eq!(code, 69, "{variable}: {error}");
        assert!(error.contains(&taken), "{variable}: {error}");
    }
}

/// One of its variables, as the system allocator reads it, once `serve` is up.
fn arenas_of(given: Option<&str>) -> String {
    let place = Place::bare();
    let path = file(place.path(), &place.url());
    let mut serve = relay();
    serve.args(["--config", &path]).env("RELAY_BIND", "127.0.0.1:0");
    serve.envs(given.map(|many| ("MALLOC_ARENA_MAX", many)));
    let mut serving = serve.stderr(Stdio::piped()).spawn().expect("it starts");
    let log = BufReader::new(serving.stderr.take().expect("a log"));
    let up = log.lines().map_while(Result::ok).any(|line| line.contains("listening"));
    assert!(up, "it serves");
    let environment = std::fs::read(format!("/proc/{}/environ", serving.id())).expect("it runs");
    serving.kill().expect("it ends");
    serving.wait().expect("it has ended");
    let variables = String::from_utf8(environment).expect("text");
    let arenas = variables.split('\0').find_map(|one| one.strip_prefix("MALLOC_ARENA_MAX="));
    arenas.unwrap_or_default().to_owned()
}

#[test]
fn its_memory_has_few_arenas_unless_somebody_wants_another_number() {
    assert_eq!(arenas_of(None), "2");
    assert_eq!(arenas_of(Some("7")), "7");
}

#[test]
fn a_database_that_cannot_be_reached_ends_with_69() {
    let folder = tempfile::tempdir().expect("a folder");
    for nowhere in ["sqlite:/no/such/folder/relay.db", "postgres://ana@127.0.0.1:1/relay"] {
        let path = file(folder.path(), nowhere);
        for command in ["serve", "migrate"] {
            let (code, _, error) = run(relay().args([command, "--config", &path]));
            assert_eq!(code, 69, "{command}: {error}");
        }
    }
}

#[test]
fn check_says_of_each_service_whether_it_can_be_reached() {
    let place = Place::bare();
    let path = file(place.path(), &place.url());
    let redis = ("REDIS_URL", "redis://:hunter2@127.0.0.1:9");
    let mut check = relay();
    check.args(["check", "--config", &path]).env(redis.0, redis.1);
    let (code, said, warned) = run(&mut check);
    assert_eq!(code, 69);
    for (service, works) in [
        ("configuration", true),
        ("clerk", false),
        ("stripe", false),
        ("joxcoder", false),
        ("redis", false),
    ] {
        let line = said.lines().find(|line| line.starts_with(service));
        let line = line.unwrap_or_default();
        assert_eq!(line.contains("ok"), works, "{service}: {said}");
    }
    assert!(!(said + &warned).contains("hunter2"));
}

#[tokio::test]
async fn a_copy_is_made_while_the_relay_serves_and_is_a_whole_database() {
    let world = World::start().await;
    world.get("/api/account").await;
    let path = file(world.folder(), &world.place.url());
    let copy = world.folder().join("copy.db");
    let backup = || {
        let mut command = relay();
        command.args(["backup", &copy.display().to_string(), "--config", &path]);
        tokio::task::spawn_blocking(move || run(&mut command))
    };
    let (code, _, error) = backup().await.expect("ran");
    if world.place.is_shared() {
        assert_eq!(code, 64, "PostgreSQL has its own: {error}");
        assert!(error.contains("pg_dump"));
        return;
    }
    assert_eq!(code, 0, "{error}");
    assert_eq!(std::fs::metadata(&copy).expect("there").permissions().mode() & 0o777, 0o600);
    let opened = Db::open_sqlite(&copy, Clock::system(), Changes::default()).expect("opens");
    assert!(opened.read(ledger::verify).await.expect("reads").is_empty());
    let (before, user) = (world.get("/api/account").await, world.user(ANA));
    let kept = opened.read(move |tx| account::snapshot(tx, &user)).await.expect("a person");
    assert_eq!(serde_json::to_value(kept).expect("JSON"), before);
    let (code, _, error) = backup().await.expect("ran");
    assert_eq!(code, 69, "nothing is written over");
    assert!(error.contains("cannot be written"), "{error}");
}

#[tokio::test]
async fn tokens_are_given_by_hand_and_the_ledger_audits_itself() {
    let world = World::start().await;
    world.get("/api/account").await;
    let path = file(world.folder(), &world.place.url());
    let grant = |user: &str| {
        let user = user.to_owned();
        let mut command = relay();
        command.args(["grant", &user, "5000", "--reason", "sorry", "--config", &path]);
        tokio::task::spawn_blocking(move || run(&mut command))
    };
    let watching = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(watching.expect("an answer"));
    assert_eq!(events.data().await["tokens"]["remaining"], 20_000);
    let (code, _, error) = grant(world.user(ANA).as_str()).await.expect("ran");
    assert_eq!(code, 0, "{error}");
    let sql = "SELECT reason FROM entries WHERE source LIKE 'grant:%'";
    let db = &world.relay.app.db;
    let reason = db.read(move |tx| tx.query_one(sql, &[], |row| row.get::<String>(0))).await;
    assert_eq!(reason.map_err(|error: DbError| error).expect("an entry"), "sorry");
    assert_eq!(grant("user_nobody").await.expect("ran").0, 1);
    assert_eq!(world.get("/api/tokens/usage").await["remaining"], 25_000);
    assert_eq!(events.data().await["tokens"]["remaining"], 25_000, "who watches is told");
    let verify = || {
        let mut command = relay();
        command.args(["ledger", "verify", "--config", &path]);
        tokio::task::spawn_blocking(move || run(&mut command))
    };
    assert_eq!(verify().await.expect("ran").0, 0);
    world.place.run("UPDATE entries SET tokens = tokens + 1 WHERE kind = 'grant'");
    let (code, said, _) = verify().await.expect("ran");
    assert_ne!(code, 0);
    assert!(said.contains(world.user(ANA).as_str()), "{said}");
    let health = world.ask(Method::GET, "/readyz").send().await.expect("an answer");
    assert_eq!(health.status(), 200);
}
