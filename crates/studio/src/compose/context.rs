//! Which files of a project go along with a request.
//!
//! Chosen by hand, or automatically: what the request names, then entry points, then what changed
//! last, then small before large, as long as it fits. What is not text, what a tool wrote, and what
//! is very large is only sent when it is chosen by hand (and is text).

use crate::ipc::{ContextFile, FileChange, FileEntry};
use autocrea_protocol::Tokens;
use autocrea_protocol::counting::BYTES_PER_TOKEN;

/// Bytes of a frame beside its path and content.
const FRAME_BYTES: u64 = 64;
/// A file larger than this is not sent unless it is asked for.
const LARGE: u64 = 65_536;

const BINARY: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "woff", "woff2", "ttf", "otf", "mp3",
    "mp4", "webm", "ogg", "wav", "pdf", "zip", "gz", "wasm", "db", "sqlite", "bin", "exe", "so",
];
const WRITTEN_BY_TOOLS: &[&str] =
    &["package-lock.json", "yarn.lock", "pnpm-lock.yaml", "cargo.lock", "poetry.lock"];
const ENTRIES: &[&str] = &[
    "index.html",
    "package.json",
    "app.js",
    "main.js",
    "script.js",
    "style.css",
    "styles.css",
    "app.py",
    "main.py",
    "app.tsx",
    "main.tsx",
    "app.jsx",
    "main.rs",
    "readme.md",
];

/// What a file costs when it goes along.
pub(super) fn tokens_of(file: &FileEntry) -> Tokens {
    let bytes = file.size.saturating_add(file.path.len() as u64).saturating_add(FRAME_BYTES);
    Tokens(i64::try_from(bytes.div_ceil(BYTES_PER_TOKEN as u64)).unwrap_or(i64::MAX))
}

/// What is left for files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub tokens: Tokens,
    pub bytes: u64,
}

/// Chooses files for `prompt` within `budget`, keeping the order of `files`.
pub(super) fn choose(files: &[FileEntry], prompt: &str, mut budget: Budget) -> Vec<ContextFile> {
    let prompt = prompt.to_lowercase();
    let mut order: Vec<(u8, u64, usize)> = files
        .iter()
        .enumerate()
        .filter_map(|(at, file)| Some((rank(file, &prompt)?, file.size, at)))
        .collect();
    order.sort_unstable();
    let mut included = vec![false; files.len()];
    for (_, _, at) in order {
        let file = &files[at];
        let bytes = file.size + file.path.len() as u64 + FRAME_BYTES;
        let tokens = tokens_of(file);
        if tokens <= budget.tokens && bytes <= budget.bytes {
            included[at] = true;
            budget.tokens -= tokens;
            budget.bytes -= bytes;
        }
    }
    files
        .iter()
        .zip(included)
        .map(|(file, included)| ContextFile {
            path: file.path.clone(),
            tokens: tokens_of(file),
            included,
        })
        .collect()
}

/// The files that were chosen by hand.
pub(super) fn chosen(files: &[FileEntry], paths: &[String]) -> Vec<ContextFile> {
    files
        .iter()
        .map(|file| ContextFile {
            path: file.path.clone(),
            tokens: tokens_of(file),
            included: paths.contains(&file.path),
        })
        .collect()
}

/// How soon a file is taken; `None` for never by itself.
fn rank(file: &FileEntry, prompt: &str) -> Option<u8> {
    let path = file.path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if BINARY.contains(&extension) {
        return None;
    }
    if prompt.contains(name) {
        return Some(0);
    }
    if WRITTEN_BY_TOOLS.contains(&name) || file.size > LARGE {
        return None;
    }
    Some(match file.change {
        _ if ENTRIES.contains(&name) => 1,
        FileChange::Added | FileChange::Changed => 2,
        FileChange::Same => 3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: u64) -> FileEntry {
        FileEntry { path: path.to_owned(), size, change: FileChange::Same }
    }

    fn included(files: &[FileEntry], prompt: &str, tokens: i64) -> Vec<String> {
        choose(files, prompt, Budget { tokens: Tokens(tokens), bytes: u64::MAX })
            .into_iter()
            .filter_map(|file| file.included.then_some(file.path))
            .collect()
    }

    #[test]
    fn everything_that_is_text_goes_along_when_it_fits() {
        let files = [file("a.js", 300), file("index.html", 300), file("logo.png", 10)];
        assert_eq!(included(&files, "", 10_000), ["a.js", "index.html"]);
    }

    #[test]
    fn what_is_named_comes_before_entries_and_entries_before_the_rest() {
        let files = [file("a.js", 300), file("index.html", 300), file("b.css", 300)];
        assert_eq!(included(&files, "cambia B.css", 130), ["b.css"]);
        assert_eq!(included(&files, "cambia el color", 130), ["index.html"]);
    }

    #[test]
    fn what_a_tool_wrote_stays_behind_unless_it_is_named() {
        let files = [file("package-lock.json", 300)];
        assert!(included(&files, "", 10_000).is_empty());
        assert_eq!(included(&files, "mira package-lock.json", 10_000).len(), 1);
    }
}
