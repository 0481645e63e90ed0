use super::*;
use autocrea_protocol::generation::Reserved;
use autocrea_protocol::{GenerationId, Tokens};

const SECRET: &str = "la palabra que nadie debe encontrar";

fn live(user: &str) -> Arc<Live> {
    let generation = GenerationId(uuid::Uuid::now_v7());
    let reserved =
        Reserved { generation_id: generation, reserved: Tokens(9), remaining: Tokens(1) };
    Arc::new(Live::new(Key { user: user.into(), generation }, reserved))
}

/// Whether any of the spool's files holds the text.
fn on_disk(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    })
}

async fn spooled(spool: &Spool, user: &str) -> Arc<Live> {
    let live = live(user);
    for _ in 0..50 {
        live.append(SECRET);
        spool.dirty(&live);
    }
    spool.flush(&live).await.unwrap();
    live
}

#[tokio::test]
async fn what_is_swept_is_gone_from_the_files_and_what_is_not_due_stays() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
    let live = spooled(&spool, "user_ana").await;
    assert!(on_disk(folder.path()));
    spool.ended(live.key.clone(), UnixMillis(1_000));
    assert_eq!(spool.sweep(UnixMillis(999)).await.unwrap(), 0);
    assert_eq!(spool.last(&live.key).await.unwrap(), 50);
    assert_eq!(spool.sweep(UnixMillis(1_000)).await.unwrap(), 1);
    assert_eq!(spool.read(&live.key, 0, 50).await.unwrap(), None);
    assert!(!on_disk(folder.path()));
}

#[tokio::test]
async fn a_person_who_leaves_takes_their_text_along_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
    let ana = spooled(&spool, "user_ana").await;
    let luis = spooled(&spool, "user_luis").await;
    spool.forget(&ana.key.user).await.unwrap();
    assert_eq!(spool.last(&ana.key).await.unwrap(), 0);
    assert_eq!(spool.last(&luis.key).await.unwrap(), 50);
}

#[tokio::test]
async fn streams_of_a_process_that_is_no_more_end_when_the_next_one_starts() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
    let live = spooled(&spool, "user_ana").await;
    assert_eq!(spool.sweep(UnixMillis(i64::MAX)).await.unwrap(), 0, "it is still running");
    spool.end_orphans(UnixMillis(5_000)).await.unwrap();
    assert_eq!(spool.last(&live.key).await.unwrap(), 50);
    assert_eq!(spool.sweep(UnixMillis(5_000)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_piece_is_on_disk_within_a_hundred_milliseconds_without_asking() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
    let live = live("user_ana");
    let mut changes = live.changes();
    live.append("hola");
    changes.borrow_and_update();
    spool.dirty(&live);
    let began = Instant::now();
    // The spooler signals once it has written.
    changes.changed().await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(spool.last(&live.key).await.unwrap(), 1);
}

#[test]
fn a_file_of_another_layout_is_emptied_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch("CREATE TABLE streams (x); PRAGMA user_version = 99;").unwrap();
    drop(old);
    Spool::in_file(&path).unwrap();
    Spool::in_file(&path).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn what_people_write_is_readable_to_the_relay_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
    spooled(&spool, "user_ana").await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.file_name());
    }
}
