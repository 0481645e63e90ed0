//! What the database promises to everything above it.

use crate::support::place::Place;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Database;
use autocrea_relay::db::{Db, DbError, Tx};
use std::sync::mpsc;
use std::time::Duration;

fn open(place: &Place) -> Result<Db, DbError> {
    place.open(&Clock::system(), Changes::default())
}

fn add_person(tx: &mut Tx<'_>, id: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO people (id, version, locale, created_at, updated_at, month)
               VALUES (?1, 1, 'es', 0, 0, '2026-11')";
    tx.execute(sql, &[&id]).map(|_| ())
}

fn people(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.query_one("SELECT COUNT(*) FROM people", &[], |row| row.get(0))
}

#[tokio::test]
async fn what_is_closed_is_one_file_and_opens_again_with_all_that_was_in_it() {
    let place = Place::bare();
    let db = open(&place).expect("opens");
    db.write(|tx| add_person(tx, "ana")).await.expect("written");
    db.read(people).await.expect("read");
    drop(db);
    if !place.is_shared() {
        let left: Vec<_> = std::fs::read_dir(place.path())
            .expect("a folder")
            .map(|file| file.expect("a file").file_name())
            .collect();
        assert_eq!(left, ["relay.db"]);
    }
    assert_eq!(open(&place).expect("opens").read(people).await.expect("read"), 1);
}

#[tokio::test]
async fn yesterdays_program_opens_tomorrows_database() {
    let place = Place::bare();
    drop(open(&place).expect("opens"));
    place.run(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
             VALUES (999, 'from_tomorrow', '2027-01-01T00:00:00Z', '1');
             ALTER TABLE people ADD COLUMN from_tomorrow TEXT;",
    );
    let db = open(&place).expect("opens all the same");
    db.write(|tx| add_person(tx, "ana")).await.expect("written");
}

#[test]
fn a_migration_that_was_changed_after_it_was_released_is_refused() {
    let place = Place::bare();
    drop(open(&place).expect("opens"));
    place.run("UPDATE refinery_schema_history SET checksum = '7' WHERE version = 1");
    assert!(matches!(open(&place), Err(DbError::Migration(_))));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let place = Place::bare();
    let path = place.file();
    std::fs::write(&path, "these are my notes, not a database at all").expect("written");
    assert!(Db::open_sqlite(&path, Clock::system(), Changes::default()).is_err());
    let text = std::fs::read_to_string(&path).expect("still there");
    assert!(text.starts_with("these are my notes"));
}

#[tokio::test]
async fn a_read_cannot_write() {
    let place = Place::bare();
    let db = open(&place).expect("opens");
    let refused = db.read(|tx| add_person(tx, "ana")).await;
    assert!(matches!(refused, Err(DbError::Sqlite(_) | DbError::Postgres(_))));
    assert_eq!(db.read(people).await.expect("read"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_wait_for_the_writer_and_do_not_see_what_is_not_committed() {
    let place = Place::bare();
    let db = open(&place).expect("opens");
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let writer = db.clone();
    let writing = tokio::spawn(async move {
        let work = move |tx: &mut Tx<'_>| {
            add_person(tx, "ana")?;
            begun.send(()).expect("somebody waits");
            wait.recv_timeout(Duration::from_secs(20)).expect("told to go on");
            Ok::<_, DbError>(())
        };
        writer.write(work).await
    });
    has_begun.await.expect("begun");
    assert_eq!(db.read(people).await.expect("read"), 0);
    go_on.send(()).expect("the writer waits");
    writing.await.expect("joined").expect("written");
    assert_eq!(db.read(people).await.expect("read"), 1);
}

#[tokio::test]
async fn only_one_relay_serves_a_database_and_its_successor_waits_for_its_end() {
    let place = Place::bare();
    let database = Database::Sqlite(place.file());
    let first = Db::lock(&database).await.expect("free").expect("SQLite is for one process");
    let mut second = tokio::spawn(async move { Db::lock(&database).await });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut second).await;
    assert!(early.is_err(), "the first still has it");
    drop(first);
    let lock = tokio::time::timeout(Duration::from_secs(10), second).await.expect("in time");
    assert!(lock.expect("joined").expect("free now").is_some());
}
