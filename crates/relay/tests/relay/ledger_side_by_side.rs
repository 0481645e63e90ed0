//! The ledger's law when two workers do anything at once to the same people: each with a database
//! handle of its own where that is possible, and now and then going away in the middle.

use crate::support::place::Place;
use autocrea_protocol::{GenerationId, Tokens, UserId};
use autocrea_relay::account;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Config;
use autocrea_relay::db::{Db, DbError, Tx};
use autocrea_relay::lang::Lang;
use autocrea_relay::ledger::{
    self, EndedOutcome, Grant, GrantOutcome, ReserveOutcome, ReserveRequest, RevokeReason,
};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

const DAY: i64 = 24 * 3_600_000;
const PEOPLE: [&str; 2] = ["user_ana", "user_luis"];
/// Lots and generations that both workers know: few, so that they meet.
const LOTS: usize = 5;
const GENERATIONS: usize = 8;

#[derive(Clone, Debug)]
enum Step {
    Grant { lot: usize, tokens: i64, days: i64 },
    TopUp { lot: usize, tokens: i64 },
    Reserve { generation: usize, tokens: i64 },
    Settle { generation: usize, charged: i64 },
    Release { generation: usize },
    Revoke { lot: usize, up_to: i64 },
    End { lot: usize },
    ExpireOfAll,
    See,
}

/// Whose, what, and whether whoever asked for it is gone before the answer.
#[derive(Clone, Debug)]
struct Move {
    person: usize,
    step: Step,
    goes_away: bool,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        3 => (0..LOTS, 0..5_000_i64, -2..20_i64)
            .prop_map(|(lot, tokens, days)| Step::Grant { lot, tokens, days }),
        1 => (0..LOTS, 0..900_i64).prop_map(|(lot, tokens)| Step::TopUp { lot, tokens }),
        5 => (0..GENERATIONS, 0..9_000_i64)
            .prop_map(|(generation, tokens)| Step::Reserve { generation, tokens }),
        4 => (0..GENERATIONS, 0..9_500_i64)
            .prop_map(|(generation, charged)| Step::Settle { generation, charged }),
        3 => (0..GENERATIONS).prop_map(|generation| Step::Release { generation }),
        2 => (0..LOTS, 0..6_000_i64).prop_map(|(lot, up_to)| Step::Revoke { lot, up_to }),
        1 => (0..LOTS).prop_map(|lot| Step::End { lot }),
        1 => Just(Step::ExpireOfAll),
        1 => Just(Step::See),
    ];
    let one = (0..PEOPLE.len(), step, prop::bool::weighted(0.15));
    let one = one.prop_map(|(person, step, goes_away)| Move { person, step, goes_away });
    prop::collection::vec(one, 1..30)
}

/// What a worker was told; what it did not wait for may have happened or not.
#[derive(Default)]
struct Told {
    granted: HashMap<String, i64>,
    reserved: HashMap<(usize, usize), i64>,
    charged: HashMap<(usize, usize), i64>,
    released: Vec<(usize, usize)>,
    went_away: bool,
}

struct Worker {
    db: Db,
    generations: Vec<GenerationId>,
    told: Told,
}

impl Worker {
    async fn write<T: Send + 'static>(
        &mut self,
        goes_away: bool,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Option<T> {
        let mut writing = Box::pin(self.db.write(work));
        if goes_away {
            self.told.went_away = true;
            // Begun, and then dropped.
            return writing.as_mut().now_or_never().and_then(Result::ok);
        }
        Some(writing.await.expect("a transaction"))
    }

    async fn take(&mut self, one: &Move) {
        let user = UserId::from(PEOPLE[one.person]);
        let source = |lot: usize| format!("grant:{}:{lot}", PEOPLE[one.person]);
        let away = one.goes_away;
        match one.step {
            Step::Grant { lot, tokens, days } => {
                let source = source(lot);
                let name = source.clone();
                let made = self.write(away, move |tx| {
                    let (starts_at, tokens) = (tx.now(), Tokens(tokens));
                    let ends_at = starts_at.plus_millis(days * DAY);
                    ledger::grant(
                        tx,
                        &Grant { user, source, tokens, starts_at, ends_at, plan: None },
                    )
                });
                if made.await == Some(GrantOutcome::Made) {
                    assert!(self.told.granted.insert(name, tokens).is_none(), "twice");
                }
            }
            Step::TopUp { lot, tokens } => {
                let source = source(lot);
                self.write(away, move |tx| ledger::top_up(tx, &source, Tokens(tokens))).await;
            }
            Step::Reserve { generation, tokens } => {
                let request = ReserveRequest {
                    user,
                    generation: self.generations[generation],
                    tokens: Tokens(tokens),
                    lease: "test".to_owned(),
                };
                let held = self.write(away, move |tx| ledger::reserve(tx, &request)).await;
                if let Some(ReserveOutcome::Reserved { reserved, .. }) = held {
                    self.told.reserved.insert((one.person, generation), reserved.get());
                }
            }
            Step::Settle { generation, charged } => {
                let id = self.generations[generation];
                let ended =
                    self.write(away, move |tx| ledger::settle(tx, &user, id, Tokens(charged)));
                if let Some(EndedOutcome::Ended(ended)) = ended.await {
                    self.told.charged.insert((one.person, generation), ended.charged.get());
                }
            }
            Step::Release { generation } => {
                let id = self.generations[generation];
                let ended = self.write(away, move |tx| ledger::release(tx, &user, id)).await;
                if matches!(ended, Some(EndedOutcome::Ended(_))) {
                    self.told.released.push((one.person, generation));
                }
            }
            Step::Revoke { lot, up_to } => {
                let (source, reason) = (source(lot), RevokeReason::Dispute);
                self.write(away, move |tx| ledger::revoke(tx, &source, reason, Tokens(up_to)))
                    .await;
            }
            Step::End { lot } => {
                let source = source(lot);
                self.write(away, move |tx| ledger::end_lot(tx, &source)).await;
            }
            Step::ExpireOfAll => {
                self.write(away, |tx| ledger::expire_due_of_all(tx, 100)).await;
            }
            Step::See => see(&self.db, &user).await,
        }
    }
}

async fn see(db: &Db, user: &UserId) {
    let user = user.clone();
    db.write(move |tx| account::see(tx, &user, Lang::Es, &config().plans)).await.expect("a person");
}

fn config() -> Config {
    let url = "http://127.0.0.1:1";
    let required = [
        ("STRIPE_SECRET_KEY", "sk_test_x"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_x"),
        ("STRIPE_CREATOR_PRICE_ID", "price_c"),
        ("STRIPE_PRO_PRICE_ID", "price_p"),
        ("STRIPE_BUSINESS_PRICE_ID", "price_b"),
        ("CLERK_ISSUER", url),
        ("CLERK_OAUTH_CLIENT_ID", "client"),
        ("JOXCODER_URL", "http://127.0.0.1:1/v1"),
        ("RELAY_PUBLIC_URL", url),
    ];
    let environment: BTreeMap<String, String> =
        required.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::from_layers(None, &environment).expect("a valid configuration")
}

/// No source and no generation was promised to both, and what was told is what the entries say.
async fn assert_told(db: &Db, one: &Told, other: &Told) {
    assert!(one.granted.keys().all(|source| !other.granted.contains_key(source)));
    assert!(one.reserved.keys().all(|it| !other.reserved.contains_key(it)));
    let ended = |told: &Told| -> Vec<(usize, usize)> {
        told.charged.keys().chain(&told.released).copied().collect()
    };
    let (first, second) = (ended(one), ended(other));
    assert!(first.iter().all(|it| !second.contains(it)), "ended twice");
    let sql = "SELECT CAST(COALESCE(SUM(tokens), 0) AS BIGINT) FROM entries WHERE kind = 'settle'";
    let spent: Result<i64, DbError> =
        db.read(move |tx| tx.query_one(sql, &[], |row| row.get(0))).await;
    let told: i64 = one.charged.values().chain(other.charged.values()).sum();
    let spent = spent.expect("a sum");
    assert!(spent >= told && (spent == told || one.went_away || other.went_away));
}

async fn work_side_by_side(first: Vec<Move>, second: Vec<Move>) {
    let (place, clock) = (Place::new(), Clock::system());
    let db = place.open(&clock, Changes::default()).expect("a database");
    for user in PEOPLE {
        see(&db, &UserId::from(user)).await;
    }
    let beside = if place.is_shared() {
        place.open(&clock, Changes::default()).expect("a database")
    } else {
        db.clone()
    };
    let generations: Vec<_> = (0..GENERATIONS).map(|_| GenerationId(Uuid::now_v7())).collect();
    let work = |db: &Db, moves: Vec<Move>| {
        let (db, generations) = (db.clone(), generations.clone());
        let mut worker = Worker { db, generations, told: Told::default() };
        tokio::spawn(async move {
            for one in &moves {
                worker.take(one).await;
            }
            worker.told
        })
    };
    let (one, other) = tokio::join!(work(&db, first), work(&beside, second));
    let (one, other) = (one.expect("no panic"), other.expect("no panic"));
    // What was begun and not waited for may still be under way: it is there whole, or not at all.
    let differences = db.read(ledger::verify).await.expect("an audit");
    assert_eq!(differences, []);
    assert_told(&db, &one, &other).await;
}

fn cases() -> u32 {
    if std::env::var("RELAY_TEST_LONG").is_ok_and(|it| it == "1") { 150 } else { 20 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_workers_do_at_once_to_the_same_people_the_ledger_adds_up(
        first in moves(), second in moves(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(work_side_by_side(first, second));
    }
}
