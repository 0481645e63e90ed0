//! Which file a version is looked at by, and which file an address means.

use crate::messages::WorkMessage;
use crate::paths::FilePath;

/// Where built or static pages usually are, in order of preference.
const FOLDERS: &[&str] = &["", "public/", "dist/", "build/", "docs/", "src/", "www/", "app/"];
/// Files that say that the project runs outside a page.
const OUTSIDE: &[&str] = &[
    "package.json",
    "requirements.txt",
    "pyproject.toml",
    "cargo.toml",
    "go.mod",
    "pom.xml",
    "dockerfile",
    "gemfile",
    "composer.json",
    "pubspec.yaml",
    "foundry.toml",
];
const OUTSIDE_EXTENSIONS: &[&str] =
    &["py", "rs", "go", "java", "rb", "php", "sh", "cs", "kt", "dart", "sol", "sql", "c", "cpp"];

/// The page that a version is looked at by.
pub(super) fn page<'a>(paths: &[&'a str]) -> Option<&'a str> {
    let usual = FOLDERS.iter().find_map(|folder| {
        let wanted = format!("{folder}index.html");
        paths.iter().copied().find(|path| *path == wanted)
    });
    usual.or_else(|| {
        let pages = paths.iter().copied().filter(|path| is_page(path));
        // The shallowest; among those an index, then by name.
        pages.min_by_key(|path| (path.matches('/').count(), !path.ends_with("index.html"), *path))
    })
}

fn is_page(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.ends_with(".html") || path.ends_with(".htm")
}

/// Why there is none.
pub(super) fn why_none(paths: &[&str]) -> WorkMessage {
    if paths.is_empty() {
        return WorkMessage::PreviewEmpty;
    }
    let outside = paths.iter().any(|path| {
        let path = path.to_ascii_lowercase();
        let name = path.rsplit('/').next().unwrap_or(&path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        OUTSIDE.contains(&name) || OUTSIDE_EXTENSIONS.contains(&extension)
    });
    if outside { WorkMessage::PreviewServer } else { WorkMessage::PreviewNoPage }
}

/// The file that `asked` (decoded, beginning with `/`) means.
pub(super) fn resolve(paths: &[&str], asked: &str) -> Option<String> {
    let asked = asked.trim_start_matches('/');
    if asked.is_empty() {
        return page(paths).map(str::to_owned);
    }
    let path = match asked.strip_suffix('/') {
        Some(folder) => FilePath::parse(&format!("{folder}/index.html")),
        None => FilePath::parse(asked),
    };
    let path = path.ok()?.into_string();
    if paths.contains(&path.as_str()) {
        return Some(path);
    }
    // A page in a folder that addresses its files from the root, as it would be when published.
    let (folder, _) = page(paths)?.rsplit_once('/')?;
    let beside = format!("{folder}/{path}");
    paths.contains(&beside.as_str()).then_some(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_page_is_found() {
        assert_eq!(page(&["a.html", "index.html"]), Some("index.html"));
        assert_eq!(page(&["public/index.html", "server.js"]), Some("public/index.html"));
        assert_eq!(page(&["x/y/index.html", "x/menú.html"]), Some("x/menú.html"));
        assert_eq!(page(&["main.py"]), None);
    }

    #[test]
    fn what_has_no_page_says_why() {
        assert_eq!(why_none(&[]), WorkMessage::PreviewEmpty);
        assert_eq!(why_none(&["src/main.py"]), WorkMessage::PreviewServer);
        assert_eq!(why_none(&["notes.md"]), WorkMessage::PreviewNoPage);
    }

    #[test]
    fn addresses_mean_files_of_the_version_and_nothing_else() {
        let paths = ["public/index.html", "public/a.css", "public/sub/index.html", "b.js"];
        let is = |asked: &str| resolve(&paths, asked);
        assert_eq!(is("/").as_deref(), Some("public/index.html"));
        assert_eq!(is("/public/a.css").as_deref(), Some("public/a.css"));
        assert_eq!(is("/a.css").as_deref(), Some("public/a.css"));
        assert_eq!(is("/b.js").as_deref(), Some("b.js"));
        assert_eq!(is("/public/sub/").as_deref(), Some("public/sub/index.html"));
        for asked in ["/../b.js", "/public/../b.js", "/etc/passwd", "/C:/x", "/.", "/a\0"] {
            assert_eq!(is(asked), None, "{asked}");
        }
    }
}
