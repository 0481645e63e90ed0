//! Account streams of one person, over all replicas.

use super::pair::{LONG, Pair};
use crate::support::place::Place;
use crate::support::{ANA, Events};
use autocrea_protocol::UserId;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::db::DbError;
use autocrea_relay::places::Places;
use autocrea_relay::{Running, sweep};
use futures_util::future::join_all;
use reqwest::StatusCode;
use std::time::Duration;
use tokio::time::timeout;

/// Opens a stream; it has begun.
async fn open(pair: &Pair, relay: &Running, email: &str) -> Result<Events, StatusCode> {
    let asked = pair.world.http.get(format!("{}/api/account/events", relay.url()));
    let answer = asked.bearer_auth(pair.world.token(email)).send().await.expect("an answer");
    if answer.status() != StatusCode::OK {
        assert!(answer.headers().contains_key("retry-after"));
        return Err(answer.status());
    }
    let mut events = Events::of(answer);
    timeout(LONG, events.next()).await.expect("in time").expect("a frame");
    Ok(events)
}

/// Opens one as soon as there is room, which must be soon.
async fn open_soon(pair: &Pair, relay: &Running) -> Events {
    let opening = async {
        loop {
            if let Ok(events) = open(pair, relay, ANA).await {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), opening).await.expect("there is room")
}

/// How many places are taken.
async fn taken(pair: &Pair) -> i64 {
    let db = &pair.world.relay.app.db;
    let counted =
        db.read(|tx| tx.query_one("SELECT COUNT(*) FROM account_streams", &[], |row| row.get(0)));
    let counted: Result<i64, DbError> = counted.await;
    counted.expect("read")
}

/// Ana's places as a process with this lease has them.
fn take_ten(pair: &Pair, lease: &str) {
    let ana = pair.world.user(ANA);
    pair.world.place.run(&format!(
        "INSERT INTO account_streams (user_id, place, stream, lease)
         SELECT '{ana}', n, gen_random_uuid(), '{lease}' FROM generate_series(1, 10) AS places (n)
         ON CONFLICT DO NOTHING"
    ));
}

#[tokio::test]
async fn the_eleventh_stream_of_a_person_is_refused_by_every_replica_until_one_has_gone() {
    let pair = Pair::start().await;
    let replicas = [&pair.world.relay, &pair.second];
    let mut streams = Vec::new();
    for n in 0..10 {
        streams.push(open(&pair, replicas[n % 2], ANA).await.expect("there is a place"));
    }
    for relay in replicas {
        let refused = open(&pair, relay, ANA).await.err();
        assert_eq!(refused, Some(StatusCode::TOO_MANY_REQUESTS));
    }
    assert!(open(&pair, &pair.second, "luis@example.com").await.is_ok(), "of somebody else");
    drop(streams.remove(0));
    let _other = open_soon(&pair, &pair.second).await;
    for relay in replicas {
        assert!(open(&pair, relay, ANA).await.is_err(), "there were ten again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_open_at_once_at_two_replicas_just_ten_are_let_in() {
    let place = Place::shared();
    place.run("INSERT INTO leases VALUES ('here', 9000000000000), ('there', 9000000000000)");
    let db = place.open(&Clock::system(), Changes::default()).expect("opens");
    // One that a busy machine does not make impatient.
    let places = async |lease| Places::new(10, db.aside(LONG).await, lease);
    let replicas = [places("here").await, places("there").await];
    for n in 0..40 {
        let ana = UserId(format!("ana{n}"));
        // Whoever is overtaken at one place gets another while there is one.
        let asked = if n % 2 == 0 { 10 } else { 24 };
        let opening = join_all((0..asked).map(|n| replicas[n % 2].take(&ana)));
        let opened = timeout(LONG, opening).await.expect("in time");
        assert_eq!(opened.iter().flatten().count(), 10);
    }
}

#[tokio::test]
async fn the_places_of_a_process_that_has_died_are_free_when_its_lease_has_run_out() {
    let pair = Pair::start().await;
    pair.world.place.run("INSERT INTO leases VALUES ('dead', 9000000000000)");
    take_ten(&pair, "dead");
    assert!(open(&pair, &pair.second, ANA).await.is_err(), "it may be alive");
    pair.world.place.run("UPDATE leases SET expires_at = 0 WHERE id = 'dead'");
    let stream = open(&pair, &pair.second, ANA).await;
    assert!(stream.is_ok());
    pair.world.place.run("DELETE FROM leases WHERE id = 'dead'");
    sweep::pass(&pair.world.relay.app).await.expect("swept");
    assert_eq!(taken(&pair).await, 1, "only what is open is left");
}

#[tokio::test]
async fn places_whose_removal_or_making_was_lost_are_made_up_for() {
    let pair = Pair::start().await;
    let replicas = [&pair.world.relay, &pair.second];
    pair.world.place.run("INSERT INTO leases VALUES ('another', 9000000000000)");
    take_ten(&pair, "another");
    for relay in replicas {
        sweep::pass(&relay.app).await.expect("swept");
        assert!(open(&pair, relay, ANA).await.is_err(), "each process knows its own");
    }
    // Of streams that have ended.
    let second = pair.second.app.lease.id();
    pair.world.place.run(&format!("UPDATE account_streams SET lease = '{second}'"));
    sweep::pass(&pair.second.app).await.expect("swept");
    assert_eq!(taken(&pair).await, 0);
    let _stream = open(&pair, &pair.second, ANA).await.expect("there is room");
    // As after the server's crash.
    pair.world.place.run("TRUNCATE account_streams");
    for _ in 0..2 {
        sweep::pass(&pair.second.app).await.expect("swept");
        assert_eq!(taken(&pair).await, 1);
    }
}

#[tokio::test]
async fn a_replica_that_stops_leaves_no_place_taken() {
    let pair = Pair::start().await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(open(&pair, &pair.second, ANA).await.expect("there is a place"));
    }
    assert!(open(&pair, &pair.world.relay, ANA).await.is_err());
    let Pair { world, second } = pair;
    timeout(LONG, second.stop()).await.expect("it stops");
    let asked = world.ask_as(ANA, reqwest::Method::GET, "/api/account/events").send().await;
    assert_eq!(asked.expect("an answer").status(), StatusCode::OK);
    drop(streams);
}
