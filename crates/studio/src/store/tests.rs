use super::*;

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    store.write(|db| settings::set(db, "greeting", &"hola")).await.expect("written");
    drop(store);
    let store = Store::open(dir.path()).expect("opens again");
    let found: Option<String> = store.read(|db| settings::get(db, "greeting")).await.expect("read");
    assert_eq!(found.as_deref(), Some("hola"));
}
