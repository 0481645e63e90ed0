//! What the crate's own tests share.

use crate::ipc::Version;
use crate::parser::{Parser, frame};
use crate::{Studio, StudioOptions, clock, versions};
use autocrea_protocol::GenerationId;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) fn options(dir: &Path) -> StudioOptions {
    StudioOptions {
        data_dir: dir.to_owned(),
        relay_url: "http://127.0.0.1:9".parse().expect("a URL"),
        app_version: "2.0.0".into(),
        system_language: "es_MX.UTF-8".into(),
        scheme_registered: true,
        open_browser: Arc::new(|_| Ok(())),
    }
}

pub(crate) fn studio() -> (Studio, TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    (Studio::open(options(dir.path())), dir)
}

/// Makes the next version of a project out of what a model might have said.
pub(crate) async fn said(studio: &Studio, project: Uuid, output: String) -> Option<Version> {
    let store = studio.store().expect("open").clone();
    store
        .write(move |db| {
            let base = crate::store::versions::newest(db, project)?;
            let parsed = Parser::read("n0nce", &output);
            let id = GenerationId(Uuid::now_v7());
            versions::create_from_generation(db, project, base, id, &parsed, clock::now())
        })
        .await
        .expect("stored")
}

/// Makes the next version of a project with these files written.
pub(crate) async fn version(studio: &Studio, project: Uuid, files: &[(&str, &str)]) -> Version {
    let output = files.iter().map(|(path, text)| frame("n0nce", path, text)).collect();
    said(studio, project, output).await.expect("something changed")
}
