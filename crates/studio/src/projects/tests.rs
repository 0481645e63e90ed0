use super::*;
use crate::ipc::{ProblemCode, ProjectStatus, SettingsPatch};
use crate::tests::{options, studio};

fn new(name: &str) -> NewProject {
    NewProject { name: name.into(), description: " varias\nlíneas \u{7}".into() }
}

#[tokio::test]
async fn a_project_is_made_found_changed_put_away_and_brought_back() {
    let (studio, _dir) = studio();
    let made = studio.project_create(new("  Tienda\tde té ")).await.expect("made");
    assert_eq!((made.name.as_str(), made.description.as_str()), ("Tienda de té", "varias\nlíneas"));
    assert_eq!((made.status, made.version, made.file_count), (ProjectStatus::Draft, None, 0));
    let patch = ProjectPatch { name: Some("Té".into()), ..Default::default() };
    let changed = studio.project_update(made.id, patch).await.expect("changed");
    assert_eq!((changed.name.as_str(), changed.description), ("Té", made.description));
    studio.project_trash(made.id).await.expect("trashed");
    assert!(studio.projects_list().await.expect("listed").is_empty());
    assert!(studio.project_get(made.id).await.is_ok(), "the trash deletes nothing");
    studio.project_untrash(made.id).await.expect("back");
    assert_eq!(studio.projects_list().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn favourites_come_first_and_then_the_newest() {
    let (studio, _dir) = studio();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(studio.project_create(new(name)).await.expect("made").id);
    }
    let pin = ProjectPatch { favourite: Some(true), ..Default::default() };
    studio.project_update(ids[0], pin).await.expect("pinned");
    let list = studio.projects_list().await.expect("listed");
    let names: Vec<_> = list.iter().map(|project| project.name.as_str()).collect();
    assert_eq!(names, ["a", "c", "b"]);
}

#[tokio::test]
async fn names_that_cannot_be_kept_are_refused_with_a_sentence_in_the_persons_language() {
    let (studio, _dir) = studio();
    for name in ["", " \n\u{0}", &"ñ".repeat(121)] {
        let error = studio.project_create(new(name)).await.expect_err("refused");
        assert_eq!(error.code(), ProblemCode::Invalid);
        assert!(studio.problem(&error).message.contains("nombre"));
    }
    assert!(studio.project_create(new(&"ñ".repeat(120))).await.is_ok());
    let patch = SettingsPatch { language: Some(crate::ipc::Language::En), ..Default::default() };
    studio.settings_update(patch).await.expect("set");
    let error = studio.project_get(Uuid::nil()).await.expect_err("not there");
    assert_eq!(error.code(), ProblemCode::NotFound);
    assert!(studio.problem(&error).message.starts_with("That project"));
}

#[tokio::test]
async fn changes_are_announced() {
    let (studio, _dir) = studio();
    let mut events = studio.events();
    let id = studio.project_create(new("a")).await.expect("made").id;
    assert_eq!(events.recv().await, Ok(StudioEvent::Projects));
    let patch = ProjectPatch { favourite: Some(true), ..Default::default() };
    studio.project_update(id, patch).await.expect("changed");
    assert_eq!(events.recv().await, Ok(StudioEvent::Project { id }));
}

#[tokio::test]
async fn a_studio_whose_store_cannot_be_opened_says_so_to_every_call() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("no-es-una-carpeta");
    std::fs::write(&file, "x").expect("written");
    let studio = Studio::open(options(&file));
    let problem = studio.boot().await.store_problem.expect("a problem");
    assert_eq!(problem.code, ProblemCode::Store);
    let error = studio.project_create(new("a")).await.expect_err("closed");
    assert_eq!(studio.problem(&error), problem);
    assert!(studio.settings_update(SettingsPatch::default()).await.is_err());
}

#[tokio::test]
async fn settings_outlive_the_program() {
    let dir = tempfile::tempdir().expect("a folder");
    let studio = Studio::open(options(dir.path()));
    let patch = SettingsPatch { welcomed: Some(true), ..Default::default() };
    studio.settings_update(patch).await.expect("set");
    drop(studio);
    assert!(Studio::open(options(dir.path())).boot().await.settings.welcomed);
}
