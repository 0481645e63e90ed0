//! `autocrea-sandbox` as a program: its one line, its end, and where it refuses to listen.

#![allow(clippy::unwrap_used)] // the helpers of tests, too

use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autocrea-sandbox"));
    for service in ["index", "clerk", "stripe", "joxcoder", "resend"] {
        command.args([format!("--{service}-port"), "0".to_owned()]);
    }
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_prints_one_line_with_its_addresses_and_ends_with_its_input() {
    let relay = "http://127.0.0.1:5000";
    let mut child = program(&["--relay-url", relay, "--end-with-stdin"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).await.unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(said["relayEnv"]["CLERK_ISSUER"], said["clerk"]);
    assert_eq!(said["relayEnv"]["JOXCODER_URL"], said["joxcoder"]);
    assert_eq!(said["relayEnv"]["RELAY_PUBLIC_URL"], relay);
    for service in ["index", "clerk", "stripe", "joxcoder", "resend"] {
        assert!(said[service].as_str().unwrap().starts_with("http://127.0.0.1:"), "{service}");
    }
    drop(child.stdin.take());
    assert!(child.wait().await.unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
}

#[tokio::test]
async fn it_refuses_to_listen_or_to_talk_beyond_loopback() {
    for arguments in [["--bind", "0.0.0.0"], ["--relay-url", "https://relay.example.com"]] {
        let output = program(&arguments).output().await.unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}
