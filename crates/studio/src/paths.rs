//! Paths of files in a project: one spelling each, and none that could leave the project's folder
//! or trouble another operating system.

use std::fmt;

/// Bytes of a whole path.
const PATH_LIMIT: usize = 1_024;
/// Bytes of one name; file systems allow 255.
const NAME_LIMIT: usize = 255;

/// A relative path with `/` between folders, in NFC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// Nothing is left of it.
    #[error("the path is empty")]
    Empty,
    /// It starts at a root or a drive.
    #[error("the path is absolute")]
    Absolute,
    /// It goes up.
    #[error("the path leaves the project")]
    Outside,
    /// It, or a name in it, is too long.
    #[error("the path is too long")]
    TooLong,
    /// A character that some system does not allow, or that hides what the path is.
    #[error("the path has a character that is not allowed")]
    Character,
    /// A name that some system keeps for itself, or that git does.
    #[error("the path has a reserved name")]
    Reserved,
}

impl FilePath {
    /// Reads a path as a model or a person writes it.
    ///
    /// # Errors
    /// If it could not be a file of a project everywhere.
    pub fn parse(text: &str) -> Result<Self, PathRefusal> {
        let text = icu_normalizer::ComposingNormalizerBorrowed::new_nfc().normalize(text.trim());
        let text = text.replace('\\', "/");
        if text.starts_with('/') || text.starts_with("~/") || has_drive(&text) {
            return Err(PathRefusal::Absolute);
        }
        if text.ends_with('/') {
            return Err(PathRefusal::Empty);
        }
        let mut names = Vec::new();
        for name in text.split('/').filter(|name| !name.is_empty() && *name != ".") {
            check_name(name)?;
            names.push(name);
        }
        if names.is_empty() {
            return Err(PathRefusal::Empty);
        }
        let path = names.join("/");
        if path.len() > PATH_LIMIT { Err(PathRefusal::TooLong) } else { Ok(Self(path)) }
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn has_drive(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
}

fn check_name(name: &str) -> Result<(), PathRefusal> {
    if name == ".." {
        return Err(PathRefusal::Outside);
    }
    if name.len() > NAME_LIMIT {
        return Err(PathRefusal::TooLong);
    }
    if name.chars().any(forbidden) || name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return Err(PathRefusal::Character);
    }
    if name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1") {
        return Err(PathRefusal::Reserved);
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    if is_device(stem) { Err(PathRefusal::Reserved) } else { Ok(()) }
}

/// Windows' forbidden characters, controls, and marks that change how the name is displayed.
fn forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Names of Windows' devices.
fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let Some(port) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else {
        return false;
    };
    let mut chars = port.chars();
    matches!(chars.next(), Some('0'..='9' | '¹' | '²' | '³')) && chars.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_path() {
        for text in ["src/app.js", "./src//app.js", "src\\app.js", " src/./app.js "] {
            assert_eq!(FilePath::parse(text).expect("fine").as_str(), "src/app.js");
        }
        let composed = FilePath::parse("men\u{fa}.md").expect("fine");
        assert_eq!(FilePath::parse("menu\u{301}.md").expect("fine"), composed);
    }

    #[test]
    fn paths_that_leave_the_project_or_trouble_a_system_are_refused() {
        use PathRefusal::{Absolute, Character, Empty, Outside, Reserved, TooLong};
        for (text, why) in [
            ("../x", Outside),
            ("a/../../x", Outside),
            ("a\\..\\x", Outside),
            ("/etc/x", Absolute),
            ("\\\\server\\share", Absolute),
            ("C:\\x", Absolute),
            ("c:x", Absolute),
            ("~/x", Absolute),
            ("CON", Reserved),
            ("a/con.txt", Reserved),
            ("lpt1.html", Reserved),
            ("COM¹", Reserved),
            (".git/hooks/post-checkout", Reserved),
            ("", Empty),
            ("./", Empty),
            ("src/", Empty),
            ("a\0b", Character),
            ("ab:c", Character),
            ("a/b.", Character),
            ("evil\u{202e}gpj.exe", Character),
        ] {
            assert_eq!(FilePath::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(FilePath::parse(&"x".repeat(256)), Err(TooLong));
        assert_eq!(FilePath::parse("x/".repeat(600).trim_end_matches('/')), Err(TooLong));
    }

    #[test]
    fn names_that_only_resemble_reserved_ones_are_fine() {
        for text in ["console.log", "company/index.html", ".gitignore", "com10", "a b.txt", "..x"] {
            assert!(FilePath::parse(text).is_ok(), "{text:?}");
        }
    }
}
