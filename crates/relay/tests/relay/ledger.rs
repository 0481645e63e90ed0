//! The ledger's promises, kept by the real database.

use crate::support::place::Place;
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{GenerationId, Tokens, UnixMillis, UserId};
use autocrea_relay::account;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Config;
use autocrea_relay::db::{Db, DbError, Tx};
use autocrea_relay::lang::Lang;
use autocrea_relay::ledger::{
    self, Cursor, EndedOutcome, Grant, GrantOutcome, ReserveOutcome, ReserveRequest, RevokeReason,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use uuid::Uuid;

const DAY: i64 = 24 * 3_600_000;
const FREE: i64 = 20_000;

/// A database of its own, with one person in it.
struct Bench {
    place: Place,
    db: Db,
    clock: Clock,
    ana: UserId,
}

pub fn config() -> Config {
    let required = [
        ("STRIPE_SECRET_KEY", "sk_test_x"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_x"),
        ("STRIPE_CREATOR_PRICE_ID", "price_c"),
        ("STRIPE_PRO_PRICE_ID", "price_p"),
        ("STRIPE_BUSINESS_PRICE_ID", "price_b"),
        ("CLERK_ISSUER", "http://127.0.0.1:1"),
        ("CLERK_OAUTH_CLIENT_ID", "client"),
        ("JOXCODER_URL", "http://127.0.0.1:1/v1"),
        ("RELAY_PUBLIC_URL", "http://127.0.0.1:1"),
    ];
    let environment: BTreeMap<String, String> =
        required.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::from_layers(None, &environment).expect("a valid configuration")
}

impl Bench {
    async fn new() -> Self {
        let place = Place::new();
        // The middle of a month, so that days can pass without a new one beginning.
        let clock = Clock::system();
        clock.set(UnixMillis(1_794_700_800_000)); // 2026-11-15
        let db = place.open(&clock, Changes::default()).expect("a database");
        let bench = Self { place, db, clock, ana: UserId::from("user_ana") };
        bench.see().await;
        bench
    }

    async fn see(&self) {
        let ana = self.ana.clone();
        self.write(move |tx| account::see(tx, &ana, Lang::Es, &config().plans).map(|_| ())).await;
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> T {
        self.db.write(work).await.expect("a transaction")
    }

    async fn grant(&self, source: &str, tokens: i64, days: i64) -> GrantOutcome {
        let (user, source) = (self.ana.clone(), source.to_owned());
        self.write(move |tx| {
            let starts_at = tx.now();
            let ends_at = starts_at.plus_millis(days * DAY);
            let tokens = Tokens(tokens);
            ledger::grant(tx, &Grant { user, source, tokens, starts_at, ends_at, plan: None })
        })
        .await
    }

    async fn reserve(&self, generation: GenerationId, tokens: i64) -> ReserveOutcome {
        let request = ReserveRequest {
            user: self.ana.clone(),
            generation,
            tokens: Tokens(tokens),
            lease: "test".to_owned(),
        };
        self.write(move |tx| ledger::reserve(tx, &request)).await
    }

    async fn settle(&self, generation: GenerationId, charged: i64) -> EndedOutcome {
        let ana = self.ana.clone();
        self.write(move |tx| ledger::settle(tx, &ana, generation, Tokens(charged))).await
    }

    async fn release(&self, generation: GenerationId) -> EndedOutcome {
        let ana = self.ana.clone();
        self.write(move |tx| ledger::release(tx, &ana, generation)).await
    }

    async fn revoke(&self, source: &'static str, up_to: i64) -> ledger::Revoked {
        self.write(move |tx| ledger::revoke(tx, source, RevokeReason::Refund, Tokens(up_to))).await
    }

    async fn figures(&self) -> autocrea_protocol::TokenFigures {
        let ana = self.ana.clone();
        self.db.read(move |tx| ledger::figures(tx, &ana)).await.expect("figures")
    }

    async fn entries(&self) -> Vec<(EntryKind, i64, i64)> {
        let ana = self.ana.clone();
        let page: Result<_, DbError> =
            self.db.read(move |tx| ledger::page(tx, &ana, Cursor::Start, 100)).await;
        let entries = page.expect("a page").expect("a known cursor").entries;
        entries.iter().map(|it| (it.kind, it.tokens.get(), it.balance_after.get())).collect()
    }

    async fn version(&self) -> i64 {
        let ana = self.ana.clone();
        self.db
            .read(move |tx| account::version(tx, &ana).map(|(version, _)| version))
            .await
            .expect("a version")
    }

    async fn assert_sound(&self) {
        let differences = self.db.read(ledger::verify).await.expect("an audit");
        assert_eq!(differences, []);
    }

    /// The power goes: whatever had been answered must be there, nothing else is known.
    /// (Of PostgreSQL only the relay dies here.)
    fn crash(&mut self) {
        if !self.place.is_shared() {
            let place = Place::new();
            for file in ["relay.db", "relay.db-wal"] {
                let from = self.place.path().join(file);
                if from.exists() {
                    std::fs::copy(from, place.path().join(file)).expect("a copy");
                }
            }
            self.place = place;
        }
        self.db = self.place.open(&self.clock, Changes::default()).expect("opens");
    }
}

fn generation() -> GenerationId {
    GenerationId(Uuid::now_v7())
}

#[tokio::test]
async fn the_same_source_grants_once() {
    let bench = Bench::new().await;
    assert_eq!(bench.grant("invoice:in_1", 500, 30).await, GrantOutcome::Made);
    let version = bench.version().await;
    assert_eq!(bench.grant("invoice:in_1", 500, 30).await, GrantOutcome::Already);
    assert_eq!(bench.figures().await.remaining, Tokens(FREE + 500));
    assert_eq!(bench.version().await, version, "nothing that is seen has changed");
}

#[tokio::test]
async fn a_failed_generation_costs_nothing() {
    let bench = Bench::new().await;
    let id = generation();
    bench.reserve(id, 5_000).await;
    let ended = bench.release(id).await;
    assert!(matches!(ended, EndedOutcome::Ended(it) if it.charged == Tokens(0)));
    assert_eq!(bench.figures().await.remaining, Tokens(FREE));
    assert_eq!(
        bench.entries().await[1..],
        [(EntryKind::Reserve, 5_000, FREE - 5_000), (EntryKind::Release, 5_000, FREE)]
    );
    bench.assert_sound().await;
}

#[tokio::test]
async fn a_generation_never_costs_more_than_its_ceiling_and_ends_once() {
    let bench = Bench::new().await;
    let id = generation();
    bench.reserve(id, 1_000).await;
    let first = bench.settle(id, 9_999).await;
    assert!(matches!(first, EndedOutcome::Ended(it) if it.charged == Tokens(1_000)));
    assert_eq!(bench.settle(id, 1).await, EndedOutcome::AlreadyEnded);
    assert_eq!(bench.release(id).await, EndedOutcome::AlreadyEnded);
    assert_eq!(bench.figures().await.used, Tokens(1_000));
    assert_eq!(bench.reserve(id, 1).await, ReserveOutcome::Already);
    bench.assert_sound().await;
}

#[tokio::test]
async fn more_than_there_is_cannot_be_held_and_changes_nothing() {
    let bench = Bench::new().await;
    let version = bench.version().await;
    let refused = bench.reserve(generation(), FREE + 1).await;
    assert_eq!(refused, ReserveOutcome::TokenLimit { available: Tokens(FREE) });
    assert_eq!(bench.version().await, version);
    assert!(matches!(bench.reserve(generation(), FREE).await, ReserveOutcome::Reserved { .. }));
}

#[tokio::test]
async fn parallel_wishes_never_hold_more_than_there_is() {
    let bench = Bench::new().await;
    let wishes = (0..20).map(|_| bench.reserve(generation(), 3_000));
    let held = futures_util::future::join_all(wishes).await;
    let held = held.iter().filter(|it| matches!(it, ReserveOutcome::Reserved { .. })).count();
    assert_eq!(held, 6);
    assert_eq!(bench.figures().await.reserved, Tokens(18_000));
    bench.assert_sound().await;
}

#[tokio::test]
async fn spending_takes_the_lot_that_ends_first() {
    let bench = Bench::new().await;
    bench.grant("grant:short", 100, 1).await;
    let id = generation();
    bench.reserve(id, 150).await;
    bench.settle(id, 120).await;
    // The short lot is gone whole, so its end takes nothing away.
    bench.clock.advance(Duration::from_secs(2 * 86_400));
    let ana = bench.ana.clone();
    bench.write(move |tx| ledger::expire_due(tx, &ana)).await;
    assert_eq!(bench.figures().await.remaining, Tokens(FREE - 20));
    bench.assert_sound().await;
}

#[tokio::test]
async fn what_comes_back_to_an_ended_lot_ends_with_it() {
    let bench = Bench::new().await;
    bench.grant("grant:short", 1_000, 1).await;
    let id = generation();
    bench.reserve(id, 800).await;
    bench.clock.advance(Duration::from_secs(2 * 86_400));
    let ana = bench.ana.clone();
    bench.write(move |tx| ledger::expire_due(tx, &ana)).await;
    bench.settle(id, 300).await;
    assert_eq!(bench.figures().await.remaining, Tokens(FREE));
    let kinds: Vec<_> = bench.entries().await[3..].to_vec();
    assert_eq!(
        kinds,
        [
            (EntryKind::Expire, 200, FREE),
            (EntryKind::Settle, 300, FREE + 500),
            (EntryKind::Expire, 500, FREE)
        ]
    );
    bench.assert_sound().await;
}

#[tokio::test]
async fn a_refund_takes_the_unspent_part_and_what_running_generations_give_back() {
    let bench = Bench::new().await;
    bench.grant("invoice:in_1", 1_000, 10).await;
    let id = generation();
    bench.reserve(id, 600).await;
    let taken = bench.revoke("invoice:in_1", 1_000).await;
    assert_eq!((taken.now, taken.owed), (Tokens(400), Tokens(600)));
    assert_eq!(bench.revoke("invoice:in_1", 1_000).await, ledger::Revoked::default());
    bench.settle(id, 250).await;
    assert_eq!(bench.figures().await.remaining, Tokens(FREE));
    bench.assert_sound().await;
}

#[tokio::test]
async fn a_new_month_brings_a_new_free_lot_and_ends_the_old() {
    let bench = Bench::new().await;
    let id = generation();
    bench.reserve(id, 5_000).await;
    bench.settle(id, 5_000).await;
    assert_eq!(bench.figures().await.generations_count, 1);
    bench.clock.advance(Duration::from_secs(20 * 86_400));
    bench.see().await;
    let figures = bench.figures().await;
    assert_eq!((figures.month.as_str(), figures.remaining), ("2026-12", Tokens(FREE)));
    assert_eq!((figures.generations_count, figures.used), (0, Tokens(0)));
    bench.see().await;
    assert_eq!(bench.figures().await.limit, Tokens(FREE), "once a month, however often seen");
    bench.assert_sound().await;
}

/// A little of everything that an entry can say, and one generation that still runs.
async fn story() -> Bench {
    let bench = Bench::new().await;
    bench.grant("grant:short", 1_000, 1).await;
    bench.grant("invoice:in_1", 5_000, 10).await;
    let (settled, released) = (generation(), generation());
    bench.reserve(settled, 600).await;
    bench.settle(settled, 250).await;
    bench.reserve(released, 100).await;
    bench.release(released).await;
    bench.revoke("invoice:in_1", 2_000).await;
    bench.clock.advance(Duration::from_secs(2 * 86_400));
    let ana = bench.ana.clone();
    bench.write(move |tx| ledger::expire_due(tx, &ana)).await;
    bench.reserve(generation(), 300).await;
    bench.assert_sound().await;
    bench
}

#[tokio::test]
async fn whatever_is_changed_behind_the_ledgers_back_is_found() {
    for change in [
        "UPDATE entries SET tokens = tokens + 1 WHERE kind = 'grant'",
        "UPDATE entries SET tokens = tokens + 1 WHERE kind = 'reserve'",
        "UPDATE entries SET tokens = tokens + 1 WHERE kind = 'settle'",
        "UPDATE entries SET tokens = tokens + 1 WHERE kind = 'release'",
        "UPDATE entries SET tokens = tokens + 1 WHERE kind = 'expire'",
        "UPDATE entries SET tokens = tokens + 1 WHERE kind = 'revoke'",
        "UPDATE entries SET balance_after = balance_after + 1 WHERE kind = 'release'",
        "UPDATE entries SET source = 'grant:short' WHERE source = 'invoice:in_1'",
        "DELETE FROM entries WHERE kind = 'release'",
        "DELETE FROM entries WHERE generation_id IN
             (SELECT generation_id FROM entries WHERE kind = 'release')",
        "DELETE FROM reservations WHERE state = 'released'",
        "UPDATE reservations SET charged = charged - 1 WHERE state = 'settled'",
        "UPDATE reservations SET state = 'released', charged = 0 WHERE state = 'settled'",
        "UPDATE reservations SET state = 'released' WHERE state = 'open'",
        "UPDATE holds SET tokens = tokens - 1",
        "UPDATE lots SET granted = granted + 1, available = available + 1",
        "UPDATE lots SET spent = spent - 1, expired = expired + 1 WHERE spent > 0",
        "UPDATE lots SET expired = expired - 1, revoked = revoked + 1 WHERE expired > 0",
        "UPDATE people SET spent = spent - 1, available = available + 1",
    ] {
        let bench = story().await;
        bench.place.run(change);
        let found = bench.db.read(ledger::verify).await.expect("an audit");
        assert!(found.iter().any(|it| it.user == bench.ana), "{change}");
    }
}

#[tokio::test]
async fn work_that_fails_or_panics_leaves_nothing_and_harms_nobody_else() {
    let bench = Bench::new().await;
    let spoilt = |panics: bool| {
        let request = ReserveRequest {
            user: bench.ana.clone(),
            generation: generation(),
            tokens: Tokens(1_000),
            lease: "test".to_owned(),
        };
        bench.db.write::<(), DbError>(move |tx| {
            ledger::reserve(tx, &request)?;
            assert!(!panics, "a bug");
            Err(DbError::NoRow)
        })
    };
    let good = bench.reserve(generation(), 700);
    let (failed, panicked, held) = tokio::join!(spoilt(false), spoilt(true), good);
    assert!(matches!(failed, Err(DbError::NoRow)) && matches!(panicked, Err(DbError::Panicked)));
    assert!(matches!(held, ReserveOutcome::Reserved { .. }));
    assert_eq!(bench.figures().await.reserved, Tokens(700));
    bench.assert_sound().await;
}

#[tokio::test]
async fn the_pages_of_the_ledger_join_without_a_gap() {
    let bench = Bench::new().await;
    for round in 0..7 {
        bench.grant(&format!("grant:{round}"), 10, 10).await;
    }
    let (mut cursor, mut seen) = (Cursor::Start, Vec::new());
    loop {
        let ana = bench.ana.clone();
        let page: Result<_, DbError> =
            bench.db.read(move |tx| ledger::page(tx, &ana, cursor, 3)).await;
        let page = page.expect("a page").expect("a known cursor");
        seen.extend(page.entries.iter().map(|it| it.balance_after.get()));
        match page.next {
            Some(next) => cursor = Cursor::After(next.parse().expect("a UUID")),
            None => break,
        }
    }
    assert_eq!(seen, (0..8).map(|it| FREE + it * 10).collect::<Vec<_>>());
    let luis = UserId::from("user_luis");
    let foreign: Result<_, DbError> =
        bench.db.read(move |tx| ledger::page(tx, &luis, cursor, 3)).await;
    assert_eq!(foreign.expect("an answer"), None, "nobody reads on from another's entry");
}

#[derive(Clone, Debug)]
enum Step {
    Grant { tokens: i64, days: i64 },
    TopUp { lot: usize, tokens: i64 },
    Reserve { tokens: i64 },
    Settle { which: usize, charged: i64 },
    Release { which: usize },
    Revoke { lot: usize, up_to: i64 },
    End { lot: usize },
    Wait { days: i64 },
    Spoil { tokens: i64 },
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..5_000i64, 1..20i64).prop_map(|(tokens, days)| Step::Grant { tokens, days }),
        1 => (0..8usize, 0..900i64).prop_map(|(lot, tokens)| Step::TopUp { lot, tokens }),
        5 => (0..9_000i64).prop_map(|tokens| Step::Reserve { tokens }),
        4 => (0..12usize, 0..9_500i64).prop_map(|(which, charged)| Step::Settle { which, charged }),
        2 => (0..12usize).prop_map(|which| Step::Release { which }),
        2 => (0..8usize, 0..6_000i64).prop_map(|(lot, up_to)| Step::Revoke { lot, up_to }),
        1 => (0..8usize).prop_map(|lot| Step::End { lot }),
        1 => (0..8i64).prop_map(|days| Step::Wait { days }),
        1 => (0..4_000i64).prop_map(|tokens| Step::Spoil { tokens }),
        1 => Just(Step::Crash),
    ]
}

/// What the outside knows: what was promised to hold, and what each ending was said to cost.
#[derive(Default)]
struct Model {
    lots: Vec<String>,
    generations: Vec<GenerationId>,
    held: HashMap<GenerationId, i64>,
    spent: i64,
}

async fn take(bench: &mut Bench, model: &mut Model, step: Step) {
    let lot = |model: &Model, at: usize| {
        let known = model.lots.get(at % model.lots.len().max(1)).cloned();
        known.unwrap_or_else(|| "grant:unknown".to_owned())
    };
    let which = |model: &Model, at: usize| {
        model
            .generations
            .get(at % model.generations.len().max(1))
            .copied()
            .unwrap_or_else(generation)
    };
    match step {
        Step::Grant { tokens, days } => {
            let source = format!("grant:{}", model.lots.len());
            bench.grant(&source, tokens, days).await;
            model.lots.push(source);
        }
        Step::TopUp { lot: at, tokens } => {
            let source = lot(model, at);
            bench.write(move |tx| ledger::top_up(tx, &source, Tokens(tokens))).await;
        }
        Step::Reserve { tokens } => {
            let id = generation();
            let before = bench.figures().await.remaining.get();
            if let ReserveOutcome::Reserved { reserved, remaining } =
                bench.reserve(id, tokens).await
            {
                assert_eq!(reserved.get(), tokens);
                assert!(remaining.get() <= before - tokens);
                model.held.insert(id, tokens);
                model.generations.push(id);
            }
        }
        Step::Settle { which: at, charged } => {
            let id = which(model, at);
            let held = model.held.remove(&id);
            let expected = held.map(|held| charged.min(held));
            let charged = match bench.settle(id, charged).await {
                EndedOutcome::Ended(ended) => Some(ended.charged.get()),
                EndedOutcome::AlreadyEnded => None,
            };
            assert_eq!(charged, expected);
            model.spent += expected.unwrap_or(0);
        }
        Step::Release { which: at } => {
            let id = which(model, at);
            let ended = matches!(bench.release(id).await, EndedOutcome::Ended(_));
            assert_eq!(ended, model.held.remove(&id).is_some());
        }
        Step::Revoke { lot: at, up_to } => {
            let source = lot(model, at);
            let reason = RevokeReason::Dispute;
            bench.write(move |tx| ledger::revoke(tx, &source, reason, Tokens(up_to))).await;
        }
        Step::End { lot: at } => {
            let source = lot(model, at);
            bench.write(move |tx| ledger::end_lot(tx, &source)).await;
        }
        Step::Wait { days } => {
            bench.clock.advance(Duration::from_secs(days.unsigned_abs() * 86_400));
            bench.write(|tx| ledger::expire_due_of_all(tx, 1_000)).await;
        }
        Step::Spoil { tokens } => {
            let request = ReserveRequest {
                user: bench.ana.clone(),
                generation: generation(),
                tokens: Tokens(tokens),
                lease: "test".to_owned(),
            };
            let spoilt = bench.db.write::<(), DbError>(move |tx| {
                ledger::reserve(tx, &request)?;
                Err(DbError::NoRow)
            });
            assert!(spoilt.await.is_err());
        }
        Step::Crash => {
            bench.crash();
            let released = bench.write(ledger::release_all_open).await;
            assert_eq!(released.len(), model.held.len());
            model.held.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// granted = available + reserved + spent + expired + revoked, at most one ending a generation,
    /// and nothing that was answered is ever lost.
    #[test]
    fn the_invariant_holds_after_any_history_with_crashes(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (mut bench, mut model) = (Bench::new().await, Model::default());
            let mut version = bench.version().await;
            for step in steps {
                take(&mut bench, &mut model, step).await;
                bench.assert_sound().await;
                let now = bench.version().await;
                assert!(now >= version, "a version never goes back");
                version = now;
            }
            let entries: i64 = bench.db.read(|tx| tx.query_one(
                "SELECT CAST(COALESCE(SUM(tokens), 0) AS BIGINT) FROM entries WHERE kind = 'settle'", &[],
                |row| row.get(0),
            )).await.map_err(|error: DbError| error).expect("a sum");
            assert_eq!(entries, model.spent);
        });
    }
}
