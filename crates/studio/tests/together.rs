//! The main job against the real relay and the sandbox, all in this process and over HTTP: sign in,
//! generate, be killed, pay, unplug.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod support;

use autocrea_protocol::account::Interval;
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{GenerationId, PlanId};
use autocrea_relay::Running;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Config;
use autocrea_sandbox::joxcoder::{Fault, Reply};
use autocrea_sandbox::{Options, Sandbox};
use autocrea_studio::ipc::{CheckoutChoice, GenerationStatus, PreviewTarget, SecretPlace};
use autocrea_studio::{Studio, StudioOptions};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{account_where, draft, generation_where, is_signed_in, project, until};
use tempfile::TempDir;
use tokio::net::TcpListener;

const ANA: &str = "ana@example.com";

struct Town {
    sandbox: Sandbox,
    relay: Running,
    dir: TempDir,
    opened: Arc<Mutex<Vec<String>>>,
}

impl Town {
    async fn new() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        let dir = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut environment: BTreeMap<String, String> =
            sandbox.relay_env(&url).into_iter().collect();
        let database = format!("sqlite:{}", dir.path().join("relay.db").display());
        environment.insert("DATABASE_URL".into(), database);
        let config = Config::from_layers(None, &environment).expect("a configuration");
        let relay =
            autocrea_relay::serve(config, Clock::system(), listener).await.expect("a relay");
        sandbox.attach_relay(&url).expect("on loopback");
        Self { sandbox, relay, dir, opened: Arc::default() }
    }

    async fn open(&self) -> Studio {
        let opened = Arc::clone(&self.opened);
        let studio = Studio::open_without_keyring(StudioOptions {
            data_dir: self.dir.path().join("studio"),
            relay_url: self.relay.url().parse().expect("an address"),
            app_version: "2.0.0".into(),
            system_language: "es_ES.UTF-8".into(),
            scheme_registered: true,
            open_browser: Arc::new(move |url: &str| {
                opened.lock().push(url.to_owned());
                Ok(())
            }),
        });
        studio.start_background().await;
        studio
    }

    /// Plays the browser: consents, follows to the bounce page, takes its link.
    async fn sign_in(&self, studio: &Studio) {
        studio.secret_place_choose(SecretPlace::File).await.expect("a place");
        studio.sign_in_start().await.expect("begun");
        let url = self.opened.lock().last().cloned().expect("the browser was opened");
        let browser = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::limited(5))
            .no_proxy()
            .build()
            .expect("a browser");
        let form = [("email", ANA), ("decision", "allow")];
        let page = browser.post(url).form(&form).send().await.expect("consented");
        assert!(page.url().path().ends_with("/return/auth"), "{}", page.url());
        let page = page.text().await.expect("a page").replace("&amp;", "&");
        let link = page.split("autocrea://auth/callback?").nth(1).expect("a link");
        let query = link.split(['"', '\'', '<', ' ']).next().expect("a query");
        let link = format!("autocrea://auth/callback?{query}");
        studio.open_deep_link(&link).await.expect("signed in");
        account_where(studio, |state| is_signed_in(state) && state.snapshot.is_some()).await;
    }
}

async fn ended(studio: &Studio, id: GenerationId) -> autocrea_studio::ipc::Generation {
    generation_where(studio, id, |generation| generation.completed_at.is_some()).await
}

/// What the ledger's copy says that a generation cost, once it is settled.
async fn settled(studio: &Studio, id: GenerationId) -> Vec<i64> {
    until(studio, || async {
        let page = studio.ledger_page(None, 100).await.expect("a page");
        let costs: Vec<i64> = page
            .rows
            .iter()
            .filter(|row| {
                row.entry.generation_id == Some(id) && row.entry.kind == EntryKind::Settle
            })
            .map(|row| row.entry.tokens.get())
            .collect();
        (!costs.is_empty()).then_some(costs)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_signs_in_creates_changes_and_pays() {
    let town = Town::new().await;
    let studio = town.open().await;
    town.sign_in(&studio).await;
    let project = project(&studio).await;

    let wanted = draft(project, "Una lista de tareas que recuerde lo que anoto");
    let ceiling = studio.estimate(wanted.clone()).await.expect("estimated").ceiling;
    let begun = studio.generation_start(wanted).await.expect("begun");
    let first = ended(&studio, begun.id).await;
    assert_eq!(first.status, GenerationStatus::Completed, "{:?}", first.problem);
    assert_eq!(first.version, Some(1));
    assert_eq!(first.reserved, Some(ceiling), "what was shown is what was held");
    assert!(first.charged.expect("known") <= ceiling);
    let target = studio.preview_target(project, 1).await.expect("looked at");
    assert!(matches!(target, PreviewTarget::Page { .. }), "{target:?}");
    let charged = first.charged.expect("known").get();
    assert_eq!(settled(&studio, begun.id).await, [charged]);
    account_where(&studio, |state| {
        state.snapshot.as_ref().is_some_and(|snapshot| snapshot.tokens.used.get() == charged)
    })
    .await;

    let begun =
        studio.generation_start(draft(project, "Hazla de color azul")).await.expect("begun");
    assert_eq!(ended(&studio, begun.id).await.version, Some(2));

    let choice = CheckoutChoice { plan_id: PlanId::from("creator"), interval: Interval::Month };
    studio.checkout_start(choice).await.expect("opened");
    let db = rusqlite::Connection::open(town.dir.path().join("studio/autocrea.db")).expect("it");
    let session: String =
        db.query_row("SELECT session_id FROM checkouts", [], |row| row.get(0)).expect("a session");
    town.sandbox.stripe.pay(&session, "4242424242424242").expect("paid");
    let state = account_where(&studio, |state| {
        state
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.subscription.plan_id.as_str() == "creator")
    })
    .await;
    let tokens = state.snapshot.expect("known").tokens;
    assert!(tokens.remaining.get() >= 500_000);
    account_where(&studio, |state| state.checkout.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_killed_in_the_middle_has_identical_bytes_and_is_charged_once() {
    let town = Town::new().await;
    let studio = town.open().await;
    town.sign_in(&studio).await;
    let project = project(&studio).await;
    let pieces: Vec<String> = (0..40).map(|n| format!("Línea {n}: ñandú 🦀\n")).collect();
    town.sandbox.joxcoder.script(Reply { hold_after: Some(10), ..Reply::pieces(pieces.clone()) });
    let begun = studio.generation_start(draft(project, "Algo")).await.expect("begun");
    let (sender, mut news) = tokio::sync::mpsc::unbounded_channel();
    studio.generation_watch(begun.id, move |_| sender.send(()).is_ok()).await.expect("watched");
    while studio.generation_get(begun.id).await.expect("there").seq == 0 {
        news.recv().await.expect("goes on");
    }
    drop(studio);
    town.sandbox.joxcoder.release();
    let studio = town.open().await;
    let generation = ended(&studio, begun.id).await;
    assert_eq!(generation.status, GenerationStatus::Completed, "{:?}", generation.problem);
    let detail = studio.generation_get(begun.id).await.expect("there");
    assert_eq!(detail.explanation, pieces.concat());
    assert_eq!(settled(&studio, begun.id).await.len(), 1);
    assert_eq!(town.sandbox.joxcoder.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_breaks_off_costs_nothing_and_retry_works() {
    let town = Town::new().await;
    let studio = town.open().await;
    town.sign_in(&studio).await;
    let project = project(&studio).await;
    town.sandbox.joxcoder.next(Fault::DropAfter(3));
    let begun = studio.generation_start(draft(project, "Una tienda")).await.expect("begun");
    let failed = ended(&studio, begun.id).await;
    assert_eq!(failed.status, GenerationStatus::Failed);
    assert_eq!(failed.charged.map(autocrea_protocol::Tokens::get), Some(0));
    let again = studio.generation_retry(begun.id).await.expect("again");
    let whole = ended(&studio, again.id).await;
    assert_eq!(whole.status, GenerationStatus::Completed, "{:?}", whole.problem);
    assert_eq!(whole.version, Some(1));
}
