use super::*;
use refinery::Migration;
use std::fs;
use tempfile::TempDir;

fn fresh() -> (Store, TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    (Store::open(dir.path()).expect("opens"), dir)
}

async fn greeting(store: &Store) -> Option<String> {
    store.read(|db| settings::get(db, "greeting")).await.expect("read")
}

async fn greet(store: &Store, text: &'static str) {
    store.write(move |db| settings::set(db, "greeting", &text)).await.expect("written");
}

/// The migrations of a program that is one step ahead.
fn tomorrow(sql: &str) -> Vec<Migration> {
    let mut all = open::migrations().expect("ours");
    all.push(Migration::unapplied("V2__tomorrow", sql).expect("a migration"));
    all
}

fn problem(error: &StoreError) -> (String, String) {
    use crate::messages::{Pair, Say, StoreMessage};
    let Pair { es, en } = StoreMessage(error).pair();
    (es.into_owned(), en.into_owned())
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let (store, dir) = fresh();
    greet(&store, "hola").await;
    drop(store);
    let store = Store::open(dir.path()).expect("opens again");
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"));
}

#[tokio::test]
async fn work_that_fails_or_panics_has_no_effect_and_the_next_goes_on() {
    let (store, _dir) = fresh();
    greet(&store, "hola").await;
    let failed = store
        .write(|db| {
            settings::set(db, "greeting", &"adiós")?;
            Err::<(), _>(StoreError::Unfinished)
        })
        .await;
    assert!(matches!(failed, Err(StoreError::Unfinished)));
    let panicked = store
        .write(|db| -> Result<(), StoreError> {
            settings::set(db, "greeting", &"adiós")?;
            panic!("a defect");
        })
        .await;
    assert!(matches!(panicked, Err(StoreError::Unfinished)));
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"));
    greet(&store, "otra vez").await;
    assert_eq!(greeting(&store).await.as_deref(), Some("otra vez"));
}

#[tokio::test]
async fn work_goes_on_when_nobody_waits_for_it() {
    let (store, _dir) = fresh();
    drop(futures_util::FutureExt::now_or_never(
        store.write(|db| settings::set(db, "greeting", &"hola")),
    ));
    store.write(|_| Ok(())).await.expect("behind it");
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"));
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_said() {
    let (store, dir) = fresh();
    greet(&store, "hola").await;
    // SQLite reports its own ceiling exactly as it reports a disk without room.
    store
        .write(|db| {
            let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            db.query_row(&format!("PRAGMA max_page_count = {}", pages + 4), [], |_| Ok(()))?;
            Ok(())
        })
        .await
        .expect("set");
    let mut noise = vec![0_u8; 200_000];
    getrandom::fill(&mut noise).expect("noise");
    let kept = noise.clone();
    let error = store.write(move |db| blobs::put(db, &noise)).await.expect_err("full");
    assert!(matches!(error, StoreError::DiskFull), "{error:?}");
    assert!(problem(&error).0.contains("disco está lleno"));
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"));
    store
        .write(|db| Ok(db.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(()))?))
        .await
        .expect("room again");
    store.write(move |db| blobs::put(db, &kept)).await.expect("goes on");
    drop(store);
    let store = Store::open(dir.path()).expect("opens again");
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"));
}

#[test]
fn what_a_full_disk_makes_of_starting_is_a_full_disk_too() {
    let shm_size = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    let error = StoreError::from(rusqlite::Error::SqliteFailure(shm_size, None));
    assert!(matches!(error, StoreError::DiskFull));
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let newer = tomorrow("CREATE TABLE tomorrow (x INTEGER) STRICT;");
    drop(Store::open_with(dir.path(), &newer).expect("tomorrow's program"));
    let path = dir.path().join(open::FILE_NAME);
    let before = fs::read(&path).expect("there");
    let error = Store::open(dir.path()).expect_err("today's program");
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1 }), "{error:?}");
    assert!(problem(&error).1.contains("newer version"));
    assert_eq!(fs::read(&path).expect("there"), before);
    assert!(Store::open_with(dir.path(), &newer).is_ok());
}

#[tokio::test]
async fn an_upgrade_copies_the_database_first_without_what_must_not_be_in_a_copy() {
    let (store, dir) = fresh();
    greet(&store, "hola").await;
    store
        .write(|db| {
            db.execute(
                "INSERT INTO sign_in_attempts
                     (state, verifier, redirect_uri, url, created_at, expires_at)
                 VALUES ('s', 'the-verifier', 'r', 'u', 0, 0)",
                [],
            )?;
            Ok(())
        })
        .await
        .expect("written");
    drop(store);
    let newer = tomorrow("ALTER TABLE projects ADD COLUMN colour TEXT;");
    let store = Store::open_with(dir.path(), &newer).expect("upgraded");
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"));
    let copies: Vec<_> =
        fs::read_dir(dir.path().join("backups")).expect("there").flatten().collect();
    assert_eq!(copies.len(), 1);
    let path = copies[0].path();
    assert!(!fs::read(&path).expect("there").windows(12).any(|bytes| bytes == b"the-verifier"));
    let copy = Connection::open(&path).expect("opens");
    let found: String = copy
        .query_row("SELECT value FROM settings WHERE name = 'greeting'", [], |row| row.get(0))
        .expect("there");
    assert_eq!(found, "\"hola\"");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(copies[0].metadata().expect("there").permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_the_database_as_it_was() {
    let (store, dir) = fresh();
    greet(&store, "hola").await;
    drop(store);
    let broken = tomorrow("CREATE TABLE half (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1);");
    let error = Store::open_with(dir.path(), &broken).expect_err("broken");
    assert!(matches!(error, StoreError::Migration(_)), "{error:?}");
    let store = Store::open(dir.path()).expect("yesterday's program still opens it");
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"));
}

#[tokio::test]
async fn an_upgrade_without_room_is_a_full_disk() {
    let (store, dir) = fresh();
    greet(&store, "hola").await;
    drop(store);
    let hungry = tomorrow(
        "PRAGMA max_page_count = 60;
         CREATE TABLE big (x BLOB) STRICT; INSERT INTO big VALUES (randomblob(1000000));",
    );
    let error = Store::open_with(dir.path(), &hungry).expect_err("no room");
    assert!(matches!(error, StoreError::DiskFull), "{error:?}");
    assert_eq!(greeting(&Store::open(dir.path()).expect("opens")).await.as_deref(), Some("hola"));
}

#[tokio::test]
async fn a_read_only_database_is_said_and_left_alone() {
    let (store, dir) = fresh();
    drop(store);
    let path = dir.path().join(open::FILE_NAME);
    let mut permissions = fs::metadata(&path).expect("there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("read-only");
    let error = Store::open(dir.path()).expect_err("read-only");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(problem(&error).1.contains("autocrea.db"));
}

#[test]
fn a_file_that_is_no_database_is_said_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(open::FILE_NAME);
    let junk = "esto no es una base de datos\n".repeat(100);
    fs::write(&path, &junk).expect("written");
    let error = Store::open(dir.path()).expect_err("junk");
    assert!(matches!(error, StoreError::Damaged), "{error:?}");
    assert_eq!(fs::read_to_string(&path).expect("there"), junk);
}

#[cfg(unix)]
#[tokio::test]
async fn its_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().expect("a folder");
    let dir = outer.path().join("datos");
    let store = Store::open(&dir).expect("opens");
    greet(&store, "hola").await;
    assert_eq!(fs::metadata(&dir).expect("there").permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&dir).expect("there").flatten() {
        let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_programs_on_one_folder_lose_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let openers: Vec<_> = (0..4)
        .map(|_| {
            let dir = dir.path().to_owned();
            thread::spawn(move || Store::open(&dir).expect("opens beside the others"))
        })
        .collect();
    let stores: Vec<Store> = openers.into_iter().map(|one| one.join().expect("ended")).collect();
    let mut writers = Vec::new();
    for (who, store) in stores.iter().enumerate() {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for n in 0..10 {
                store.write(move |db| settings::set(db, &format!("{who}-{n}"), &n)).await?;
            }
            Ok::<_, StoreError>(())
        }));
    }
    for writer in writers {
        writer.await.expect("ended").expect("written");
    }
    let count = |db: &Connection| -> Result<i64, StoreError> {
        Ok(db.query_row("SELECT count(*) FROM settings", [], |row| row.get(0))?)
    };
    assert_eq!(stores[0].read(count).await.expect("read"), 40);
}

#[tokio::test]
async fn a_database_held_by_another_program_is_said() {
    let (store, dir) = fresh();
    greet(&store, "hola").await;
    store
        .write(|db| Ok(db.busy_timeout(std::time::Duration::from_millis(20))?))
        .await
        .expect("impatient");
    let other = Connection::open(dir.path().join(open::FILE_NAME)).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    let error = store.write(|db| settings::set(db, "greeting", &"adiós")).await.expect_err("held");
    assert!(matches!(error, StoreError::Busy), "{error:?}");
    assert_eq!(greeting(&store).await.as_deref(), Some("hola"), "reading goes on");
    other.execute_batch("ROLLBACK").expect("let go");
    greet(&store, "adiós").await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_hide_the_others() {
    let (store, _dir) = fresh();
    let listed = store
        .write(|db| {
            let now = autocrea_protocol::UnixMillis(1);
            projects::insert(db, uuid::Uuid::now_v7(), "buena", "", now)?;
            db.execute(
                "INSERT INTO projects (id, name, created_at, updated_at) VALUES ('?', 'mala', 1, 1)",
                [],
            )?;
            projects::list(db)
        })
        .await
        .expect("listed");
    assert_eq!(listed.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["buena"]);
}

#[test]
fn every_migration_in_the_folder_is_carried() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/desktop");
    let mut on_disk: Vec<String> = fs::read_dir(folder)
        .expect("there")
        .flatten()
        .map(|entry| entry.path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    on_disk.sort();
    let carried: Vec<String> =
        open::migrations().expect("ours").iter().map(|m| format!("{m}")).collect();
    assert_eq!(on_disk.len(), carried.len(), "{on_disk:?} {carried:?}");
    for (file, migration) in on_disk.iter().zip(&carried) {
        assert!(file.starts_with(migration.as_str()) || migration.contains(file), "{migration}");
    }
}
