//! Stripe's own npm package reads what the sandbox says, and both sign alike.

use std::process::Command;

use autocrea_sandbox::stripe::{SECRET_KEY, official, sign};

use crate::support::{stripe, subscribed, text};

/// Runs a program of the npm folder to its end; fails with what it said.
async fn run(program: &'static str, arguments: Vec<String>) {
    let output = tokio::task::spawn_blocking(move || {
        let folder = official::folder().expect("the npm package");
        Command::new(program).args(arguments).current_dir(folder).output().expect(program)
    })
    .await
    .expect("the program ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_own_package_reads_every_object() {
    let stripe = stripe().await;
    let prices = stripe.prices();
    let disputed = subscribed(&stripe, &prices.creator, "");
    let form = format!("customer={}", disputed.customer);
    let charges = stripe.call("GET", "charges", &form).expect("charges");
    stripe.dispute(&text(&charges, "/data/0/id")).expect("a dispute");
    let arguments = ["read.mjs", &stripe.url(), SECRET_KEY, &prices.creator, &prices.pro];
    run("node", arguments.into_iter().map(ToOwned::to_owned).collect()).await;
    run("node", vec!["node_modules/typescript/bin/tsc".to_owned()]).await;
}

#[tokio::test]
async fn stripes_own_package_signs_as_the_sandbox_does() {
    let payload = "{\"id\":\"evt_1\",\"name\":\"ñandú\"}";
    let signed = tokio::task::spawn_blocking(move || {
        official::sign(payload.as_bytes(), "whsec_test", 1_800_000_000)
    });
    let header = signed.await.expect("it ends").expect("a signature");
    assert_eq!(header, sign(payload.as_bytes(), "whsec_test", 1_800_000_000));
}
