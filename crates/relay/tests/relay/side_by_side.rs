//! Two relays on one database, both at work. On SQLite there is never a second one: there both are
//! the same, and the same must be true.

use crate::support::place::Place;
use crate::support::{ANA, Events, World};
use autocrea_protocol::{GenerationId, Tokens, UserId};
use autocrea_relay::account;
use autocrea_relay::billing::locks::Locks;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Catalogue;
use autocrea_relay::db::{Db, DbError, Tx};
use autocrea_relay::lang::Lang;
use autocrea_relay::lease::{self, Lease};
use autocrea_relay::ledger::{
    self, EndedOutcome, Grant, GrantOutcome, ReserveOutcome, ReserveRequest,
};
use futures_util::future::join_all;
use reqwest::Method;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use uuid::Uuid;

const FREE: i64 = 20_000;
const DAY: i64 = 24 * 3_600_000;
const LONG: Duration = Duration::from_secs(30);

/// A relay, as far as its database goes.
#[derive(Clone)]
struct Relay {
    db: Db,
    changes: Changes,
}

struct Two {
    place: Place,
    clock: Clock,
    relays: [Relay; 2],
}

impl Two {
    fn open() -> Self {
        let (place, clock) = (Place::new(), Clock::system());
        let open = || {
            let changes = Changes::default();
            Relay { db: place.open(&clock, changes.clone()).expect("a database"), changes }
        };
        let first = open();
        let second = if place.is_shared() { open() } else { first.clone() };
        let relays = [first, second];
        Self { place, clock, relays }
    }

    /// The relay whose turn it is.
    fn turn(&self, number: usize) -> &Relay {
        &self.relays[number % 2]
    }

    fn plans() -> Catalogue {
        crate::ledger::config().plans
    }

    async fn see(&self, number: usize, user: &UserId) -> account::Seen {
        let (user, plans) = (user.clone(), Self::plans());
        let seen: Result<_, DbError> =
            self.turn(number).db.write(move |tx| account::see(tx, &user, Lang::Es, &plans)).await;
        seen.expect("a transaction")
    }

    async fn reserve(&self, number: usize, user: &UserId, tokens: i64) -> ReserveOutcome {
        let generation = GenerationId(Uuid::now_v7());
        let request = request(user, generation, tokens, "test");
        let held = self.turn(number).db.write(move |tx| ledger::reserve(tx, &request)).await;
        held.map_err(|error: DbError| error).expect("a transaction")
    }

    async fn figures(&self, user: &UserId) -> autocrea_protocol::TokenFigures {
        let user = user.clone();
        self.relays[1].db.read(move |tx| ledger::figures(tx, &user)).await.expect("figures")
    }

    async fn assert_sound(&self) {
        assert_eq!(self.relays[0].db.read(ledger::verify).await.expect("an audit"), []);
    }
}

fn request(user: &UserId, generation: GenerationId, tokens: i64, lease: &str) -> ReserveRequest {
    let (user, lease) = (user.clone(), lease.to_owned());
    ReserveRequest { user, generation, tokens: Tokens(tokens), lease }
}

#[tokio::test]
async fn many_first_sights_of_one_person_make_one_person_with_one_free_lot() {
    let two = Two::open();
    let ana = UserId::from("user_ana");
    let seen = join_all((0..24).map(|number| two.see(number, &ana))).await;
    assert_eq!(seen.iter().filter(|seen| seen.new).count(), 1);
    assert_eq!(two.figures(&ana).await.remaining, Tokens(FREE));
    two.assert_sound().await;
}

#[tokio::test]
async fn a_new_month_seen_by_both_begins_once_and_brings_one_free_lot() {
    let two = Two::open();
    let ana = UserId::from("user_ana");
    two.see(0, &ana).await;
    two.reserve(1, &ana, 500).await;
    two.clock.advance(Duration::from_secs(32 * 86_400));
    join_all((0..24).map(|number| two.see(number, &ana))).await;
    let figures = two.figures(&ana).await;
    assert_eq!((figures.remaining, figures.generations_count), (Tokens(FREE), 0));
    two.assert_sound().await;
}

#[tokio::test]
async fn parallel_wishes_through_both_never_hold_more_than_there_is() {
    let two = Two::open();
    let ana = UserId::from("user_ana");
    two.see(0, &ana).await;
    let wishes = join_all((0..20).map(|number| two.reserve(number, &ana, 3_000))).await;
    let held = wishes.iter().filter(|it| matches!(it, ReserveOutcome::Reserved { .. })).count();
    assert_eq!(held, 6);
    assert_eq!(two.figures(&ana).await.reserved, Tokens(18_000));
    two.assert_sound().await;
}

#[tokio::test]
async fn one_source_grants_once_and_one_generation_ends_once_whoever_is_asked() {
    let two = Two::open();
    let ana = UserId::from("user_ana");
    two.see(0, &ana).await;
    let grants = join_all((0..12).map(|number| {
        let user = ana.clone();
        two.turn(number).db.write(move |tx| {
            let (starts_at, source) = (tx.now(), "invoice:in_1".to_owned());
            let ends_at = starts_at.plus_millis(DAY);
            let tokens = Tokens(700);
            ledger::grant(tx, &Grant { user, source, tokens, starts_at, ends_at, plan: None })
        })
    }))
    .await;
    let made = grants.into_iter().map(|it: Result<_, DbError>| it.expect("a transaction"));
    assert_eq!(made.filter(|it| *it == GrantOutcome::Made).count(), 1);

    let generation = GenerationId(Uuid::now_v7());
    let wish = request(&ana, generation, 1_000, "test");
    two.relays[0].db.write(move |tx| ledger::reserve(tx, &wish)).await.expect("a transaction");
    let endings = join_all((0..12).map(|number| {
        let user = ana.clone();
        two.turn(number).db.write(move |tx| match number % 3 {
            0 => ledger::release(tx, &user, generation),
            _ => ledger::settle(tx, &user, generation, Tokens(400)),
        })
    }))
    .await;
    let ended = endings.into_iter().map(|it: Result<_, DbError>| it.expect("a transaction"));
    assert_eq!(ended.filter(|it| matches!(it, EndedOutcome::Ended(_))).count(), 1);
    two.assert_sound().await;
}

#[tokio::test]
async fn both_sweep_at_once_and_every_lot_ends_once() {
    let two = Two::open();
    for number in 0..40 {
        two.see(number, &UserId(format!("user_{number}"))).await;
    }
    two.clock.advance(Duration::from_secs(40 * 86_400));
    let sweep = |number: usize| {
        let db = two.turn(number).db.clone();
        async move {
            while db.write(|tx| ledger::expire_due_of_all(tx, 7)).await.expect("a transaction") > 0
            {
            }
        }
    };
    join_all((0..4).map(sweep)).await;
    // Whoever was left because another held them.
    sweep(0).await;
    let count = |tx: &mut Tx<'_>| {
        let sql = "SELECT COUNT(*) FROM entries WHERE kind = 'expire'";
        tx.query_one(sql, &[], |row| row.get::<i64>(0))
    };
    assert_eq!(two.relays[0].db.read(count).await.expect("a count"), 40);
    two.assert_sound().await;
}

#[tokio::test]
async fn a_change_through_one_wakes_who_watches_through_the_other() {
    let two = Two::open();
    let ana = UserId::from("user_ana");
    two.see(0, &ana).await;
    let changes = &two.relays[1].changes;
    let _watcher = changes.watch(&ana, 1).expect("nobody else watches");
    // The line may only just be there; a word that is lost then is one that is told again.
    let heard = async {
        let mut number = 0;
        while timeout(Duration::from_secs(1), changes.touched()).await.is_err() {
            number += 1;
            let (user, source) = (ana.clone(), format!("grant:{number}"));
            let granted = two.relays[0].db.write(move |tx| {
                let (starts_at, tokens) = (tx.now(), Tokens(1));
                let ends_at = starts_at.plus_millis(DAY);
                ledger::grant(tx, &Grant { user, source, tokens, starts_at, ends_at, plan: None })
            });
            granted.await.map_err(|error: DbError| error).expect("a transaction");
        }
    };
    timeout(LONG, heard).await.expect("it was told");
}

#[tokio::test]
async fn a_change_that_nobody_told_of_is_seen_within_seconds() {
    let world = World::start().await;
    world.get("/api/account").await;
    let watching = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(watching.expect("an answer"));
    let version = events.data().await["version"].as_i64().expect("a number");
    let began = Instant::now();
    world.place.run("UPDATE people SET version = version + 1");
    assert_eq!(events.data().await["version"], version + 1);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_lock_is_one_relays_at_a_time_and_goes_with_its_holder() {
    let two = Two::open();
    let first = Arc::new(Locks::of(two.relays[0].db.clone()));
    let second = if two.place.is_shared() {
        Arc::new(Locks::of(two.relays[1].db.clone()))
    } else {
        Arc::clone(&first)
    };
    let held = first.hold("customer:cus_1").await.expect("a lock");
    let other = second.hold("customer:cus_2").await.expect("another lock");
    let mut waiting = tokio::spawn(async move { second.hold("customer:cus_1").await.map(drop) });
    let early = timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(early.is_err(), "the first still has it");
    drop((held, other));
    timeout(LONG, waiting).await.expect("in time").expect("joined").expect("free now");
}

#[tokio::test]
async fn what_a_dead_relay_had_open_is_given_back_and_what_a_living_one_has_is_left() {
    let two = Two::open();
    let (ana, db) = (UserId::from("user_ana"), two.relays[0].db.clone());
    two.see(0, &ana).await;
    let living = Lease::take(two.relays[1].db.clone()).await.expect("a lease");
    let dead = Lease::take(db.clone()).await.expect("a lease");
    for lease in [living.id(), dead.id()] {
        let wish = request(&ana, GenerationId(Uuid::now_v7()), 1_000, lease);
        db.write(move |tx| ledger::reserve(tx, &wish)).await.expect("a transaction");
    }
    assert_eq!(lease::interrupt_abandoned(&db).await.expect("a database"), 0, "both are alive");
    dead.give_back().await;
    let ended = lease::interrupt_abandoned(&two.relays[1].db).await.expect("a database");
    // With SQLite, what is open is given back at start, when nothing can be alive.
    let (expected, reserved) = if two.place.is_shared() { (1, 1_000) } else { (0, 2_000) };
    assert_eq!((ended, two.figures(&ana).await.reserved), (expected, Tokens(reserved)));
    two.assert_sound().await;
}

#[tokio::test]
async fn connections_that_were_cut_are_made_again() {
    let two = Two::open();
    let ana = UserId::from("user_ana");
    two.see(0, &ana).await;
    if two.place.is_shared() {
        two.place.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }
    let again = async {
        let see = |tx: &mut Tx<'_>| account::version(tx, &UserId::from("user_ana"));
        while two.relays[0].db.read(see).await.is_err() {}
        while two.relays[0].db.hold("customer:cus_1").await.is_err() {}
    };
    timeout(LONG, again).await.expect("it is there again");
    assert_eq!(two.figures(&ana).await.remaining, Tokens(FREE));
}
