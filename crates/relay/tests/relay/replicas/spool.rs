//! The spool that all replicas share, for itself.

use crate::support::place::Place;
use autocrea_protocol::generation::Reserved;
use autocrea_protocol::{GenerationId, Tokens};
use autocrea_relay::generation::{Key, Live, Spool};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

fn live() -> Arc<Live> {
    let generation = GenerationId(Uuid::now_v7());
    let reserved =
        Reserved { generation_id: generation, reserved: Tokens(9), remaining: Tokens(1) };
    Arc::new(Live::new(Key { user: "user_ana".into(), generation }, reserved))
}

#[tokio::test]
async fn megabytes_are_read_page_by_page_through_another_replica_from_any_number_on() {
    let place = Place::shared();
    let [here, there] = [(); 2].map(|()| Spool::open(&place.database()).unwrap());
    let lives = [live(), live()];
    let piece = |n: usize| format!("{n} {}", "ñ\n\n".repeat(n * 7 % 5_000));
    for piece in (0..300).map(piece) {
        for live in &lives {
            live.room().await.unwrap();
            live.append(&piece);
            here.dirty(live);
        }
    }
    for live in &lives {
        here.flush(live).await.unwrap();
        assert_eq!(there.last(&live.key).await.unwrap(), 300);
        let whole = read(&there, live, 0).await;
        for after in [1, 77, 150, 299, 300] {
            assert!(whole.ends_with(&read(&there, live, after).await), "after {after}");
        }
        assert_eq!(whole.windows(4).filter(|four| four == b"id: ").count(), 300);
        assert!(there.read(&live.key, 300, 999).await.unwrap().is_none());
    }
    here.forget(&"user_ana".into()).await.unwrap();
    assert_eq!(there.last(&lives[0].key).await.unwrap(), 0);
    assert!(there.read(&lives[0].key, 0, 300).await.unwrap().is_none());
}

async fn read(spool: &Spool, live: &Live, mut after: u64) -> Vec<u8> {
    let mut frames = Vec::new();
    while after < 300 {
        let page = spool.read(&live.key, after, 300).await.unwrap().expect("kept");
        assert!(page.last > after && page.frames.len() < 256 << 10, "{}", page.frames.len());
        frames.extend_from_slice(&page.frames);
        after = page.last;
    }
    frames
}

#[tokio::test]
async fn a_piece_is_there_within_a_hundred_milliseconds_without_asking() {
    let place = Place::shared();
    let spool = Spool::open(&place.database()).unwrap();
    let live = live();
    let mut changes = live.changes();
    let mut soonest = Duration::MAX;
    for _ in 0..20 {
        live.append("hola");
        changes.borrow_and_update();
        spool.dirty(&live);
        let began = Instant::now();
        // The spooler signals once it has written.
        changes.changed().await.unwrap();
        // A busy machine may be late; the spool itself never is.
        soonest = soonest.min(began.elapsed());
    }
    assert!(soonest < Duration::from_millis(100), "{soonest:?}");
    assert_eq!(spool.last(&live.key).await.unwrap(), 20);
}
