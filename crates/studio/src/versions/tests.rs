use super::*;
use crate::ipc::{NewProject, ProjectStatus};
use crate::parser::frame;
use crate::store::Store;
use crate::tests::{said, studio, version};
use proptest::prelude::*;

async fn project(studio: &Studio) -> Uuid {
    let new = NewProject { name: "Tareas".into(), description: String::new() };
    studio.project_create(new).await.expect("made").id
}

async fn text(studio: &Studio, project: Uuid, number: u32, path: &str) -> Option<String> {
    match studio.version_file(project, number, path.to_owned()).await {
        Ok(FileContent::Text { text }) => Some(text),
        _ => None,
    }
}

#[tokio::test]
async fn a_version_says_what_it_changed() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    let first = version(&studio, id, &[("a", "1"), ("b", "1"), ("c", "1")]).await;
    assert_eq!((first.number, first.parent, first.added), (1, None, 3));
    let output = frame("n0nce", "a", "2")
        + &frame("n0nce", "b", "1")
        + "<<<DELETE n0nce c>>>\n<<<RENAME n0nce b -> d>>>\n";
    let second = said(&studio, id, output).await.expect("changes");
    let counts = (second.file_count, second.added, second.changed, second.removed);
    assert_eq!((second.number, second.parent, counts), (2, Some(1), (2, 1, 1, 2)));
    let files = studio.version_files(id, 2).await.expect("there");
    let seen: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.change)).collect();
    assert_eq!(seen, [("a", FileChange::Changed), ("d", FileChange::Added)]);
    assert_eq!(text(&studio, id, 1, "a").await.as_deref(), Some("1"), "the old one is as it was");
    let detail = studio.project_get(id).await.expect("there");
    assert_eq!(detail.project.status, ProjectStatus::Completed);
    assert_eq!(detail.versions.iter().map(|v| v.number).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn an_answer_that_changes_no_file_makes_no_version() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    version(&studio, id, &[("a", "1")]).await;
    assert_eq!(said(&studio, id, "No hace falta.".into()).await, None);
    assert_eq!(said(&studio, id, frame("n0nce", "a", "1")).await, None);
    assert_eq!(studio.project_get(id).await.expect("there").versions.len(), 1);
}

#[tokio::test]
async fn going_back_makes_a_version_and_can_itself_be_undone() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    version(&studio, id, &[("a", "uno"), ("viejo", "x")]).await;
    said(&studio, id, frame("n0nce", "a", "dos") + "<<<DELETE n0nce viejo>>>\n").await;
    let third = studio.version_restore(id, 1).await.expect("restored");
    assert_eq!(third.cause, VersionCause::Restore { number: 1 });
    assert_eq!((third.number, third.parent, third.added, third.changed), (3, Some(2), 1, 1));
    assert_eq!(text(&studio, id, 3, "a").await.as_deref(), Some("uno"));
    let fourth = studio.version_restore(id, 2).await.expect("undone");
    assert_eq!((fourth.number, fourth.removed), (4, 1));
    assert_eq!(text(&studio, id, 4, "a").await.as_deref(), Some("dos"));
    assert_eq!(text(&studio, id, 3, "viejo").await.as_deref(), Some("x"), "nothing was taken away");
    assert!(studio.version_restore(id, 9).await.is_err());
}

#[tokio::test]
async fn all_of_four_hundred_files_come_back() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    let files: Vec<(String, String)> =
        (0..400).map(|n| (format!("src/{n}/archivo.txt"), format!("contenido {n}\n"))).collect();
    let output: String = files.iter().map(|(path, text)| frame("n0nce", path, text)).collect();
    said(&studio, id, output).await.expect("made");
    let gone: String =
        files.iter().map(|(path, _)| format!("<<<DELETE n0nce {path}>>>\n")).collect();
    said(&studio, id, gone + &frame("n0nce", "otro", "")).await.expect("made");
    let back = studio.version_restore(id, 1).await.expect("restored");
    assert_eq!((back.file_count, back.added, back.removed), (400, 400, 1));
    for (path, expected) in &files {
        assert_eq!(text(&studio, id, 3, path).await.as_ref(), Some(expected));
    }
}

#[tokio::test]
async fn a_file_that_is_not_text_is_binary_and_not_empty() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    let store = studio.store().expect("open").clone();
    let bytes = vec![0xff, 0xfe, 0x00, 0x9f];
    store
        .write(move |db| {
            let after = Files::from([("foto.png".to_owned(), blobs::put(db, &bytes)?)]);
            append(db, id, None, VersionCause::Import, &Files::new(), after, clock::now())
        })
        .await
        .expect("stored");
    let content = studio.version_file(id, 1, "foto.png".into()).await.expect("there");
    assert_eq!(content, FileContent::Binary { size: 4 });
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_and_damage_is_noticed() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    let long = "una línea que se repite\n".repeat(100);
    version(&studio, id, &[("a", &long), ("b", &long)]).await;
    let store = studio.store().expect("open").clone();
    let kept: (i64, i64) = store
        .read(|db| {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            Ok(db.query_row("SELECT count(*), sum(length(bytes)) FROM blobs", [], row)?)
        })
        .await
        .expect("read");
    assert_eq!(kept.0, 1);
    assert!(kept.1 < 200, "compressed: {}", kept.1);
    store
        .write(|db| {
            db.execute("UPDATE blobs SET bytes = x'00', encoding = 'plain'", [])?;
            Ok(())
        })
        .await
        .expect("damaged");
    let error = studio.version_file(id, 1, "a".into()).await.expect_err("damaged");
    assert!(studio.problem(&error).message.contains("dañados"));
}

/// What a model may do to files, of a few.
fn change() -> impl Strategy<Value = Change> {
    let path = prop::sample::select(vec!["a", "b", "c", "d/e"]).prop_map(str::to_owned);
    prop_oneof![
        3 => (path.clone(), "[xy\r\n]{0,4}")
            .prop_map(|(path, text)| Change::Write { path, text, complete: true }),
        1 => path.clone().prop_map(|path| Change::Delete { path }),
        1 => (path.clone(), path).prop_map(|(from, to)| Change::Rename { from, to }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_of_changes_and_restores_reads_back_exactly(
        answers in prop::collection::vec(prop::collection::vec(change(), 0..6), 1..6),
        back in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("opens");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let project = Uuid::now_v7();
        let (expected, kept) = runtime.block_on(store.write(move |db| {
            store::projects::insert(db, project, "p", "", UnixMillis(0))?;
            let mut expected: Vec<BTreeMap<String, String>> = Vec::new();
            for changes in answers {
                let mut files = expected.last().cloned().unwrap_or_default();
                for change in &changes {
                    match change.clone() {
                        Change::Write { path, text, .. } => { files.insert(path, text); }
                        Change::Delete { path } => { files.remove(&path); }
                        Change::Rename { from, to } => {
                            if let Some(text) = files.remove(&from) {
                                files.insert(to, text);
                            }
                        }
                    }
                }
                let base = u32::try_from(expected.len()).ok().filter(|base| *base > 0);
                let parsed = Parsed { changes, ..Parsed::default() };
                let id = GenerationId(Uuid::now_v7());
                if create_from_generation(db, project, base, id, &parsed, UnixMillis(1))?.is_some() {
                    expected.push(files);
                }
            }
            for index in back {
                if !expected.is_empty() {
                    let at = index.index(expected.len());
                    restore(db, project, u32::try_from(at + 1).unwrap_or(1), UnixMillis(2))?;
                    expected.push(expected[at].clone());
                }
            }
            let mut kept = Vec::new();
            for number in 1..=expected.len() {
                let number = u32::try_from(number).unwrap_or(0);
                let mut files = BTreeMap::new();
                for (path, blob) in store::versions::blobs(db, project, number)? {
                    let text = String::from_utf8(blobs::get(db, blob)?).unwrap_or_default();
                    files.insert(path, text);
                }
                kept.push(files);
            }
            Ok((expected, kept))
        })).expect("stored");
        prop_assert_eq!(expected, kept);
    }
}
