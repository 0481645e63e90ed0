//! File names near a fenced block, for models that do not frame.
//!
//! Strict on purpose: a block that is taken for a file overwrites one. What is found here is still
//! to be read by [`crate::paths::FilePath`].

/// Names without an extension that are files all the same.
const WELL_KNOWN: &[&str] = &[
    "dockerfile",
    "makefile",
    "procfile",
    "license",
    "readme",
    "gemfile",
    "jenkinsfile",
    "caddyfile",
];
/// Products that look like files in a heading.
const PRODUCTS: &[&str] = &[
    "node.js",
    "next.js",
    "vue.js",
    "react.js",
    "nuxt.js",
    "express.js",
    "three.js",
    "d3.js",
    "asp.net",
    "socket.io",
    "chart.js",
];
/// Words before a name.
const LABELS: &[&str] =
    &["file name", "filename", "file", "path", "archivo", "fichero", "ruta", "nombre"];
/// Attributes of an info string.
const ATTRIBUTES: &[&str] = &["title", "file", "filename", "path", "name"];
/// Comment brackets, longest first.
const COMMENTS: &[(&str, &str)] = &[
    ("<!--", "-->"),
    ("{/*", "*/}"),
    ("/**", "*/"),
    ("/*", "*/"),
    ("(*", "*)"),
    ("//", ""),
    ("--", ""),
    ("#", ""),
    (";", ""),
    ("%", ""),
];

/// From the info string of a fence: ` ```html index.html`, ` ```js:src/a.js`, `title="a.css"`.
pub(super) fn in_info(info: &str) -> Option<&str> {
    info.split_whitespace().map(|token| token.trim_matches(['{', '}'])).find_map(|token| {
        if let Some((key, value)) = token.split_once('=') {
            let key = key.trim_start_matches('.').to_ascii_lowercase();
            return ATTRIBUTES
                .contains(&key.as_str())
                .then(|| unquote(value))
                .filter(|v| is_name(v));
        }
        let token = unquote(token);
        if let Some((_, path)) = token.split_once(':').filter(|(_, path)| is_name(path)) {
            return Some(path);
        }
        Some(token).filter(|token| is_name(token))
    })
}

/// From the first line of a block, if that is a comment with nothing but a name.
pub(super) fn in_comment(line: &str) -> Option<&str> {
    let line = line.trim();
    let inside = COMMENTS
        .iter()
        .find_map(|(open, close)| line.strip_prefix(open)?.strip_suffix(close).map(str::trim))?;
    lone_name(inside)
}

/// From the line above a fence: `**index.html**`, `### 1. src/a.js`, ``Crea `a.css`:``.
pub(super) fn in_line_above(line: &str) -> Option<&str> {
    let mut text = line.trim();
    text = text.trim_start_matches(['#', '-', '*', '+', '>', ' ']);
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 && text[digits..].starts_with([')', '.']) && text[digits + 1..].starts_with(' ') {
        text = text[digits + 1..].trim_start();
    }
    lone_name(text).or_else(|| only_quoted_name(line))
}

/// The one name between backticks, if there is exactly one.
fn only_quoted_name(line: &str) -> Option<&str> {
    let mut names = line.split('`').skip(1).step_by(2).filter(|token| is_name(token));
    let name = names.next()?;
    names.next().is_none().then_some(name)
}

/// The text, if it is a name and nothing else but decoration and a label.
fn lone_name(text: &str) -> Option<&str> {
    let mut text = undecorated(text);
    if let Some((label, rest)) = text.split_once(':')
        && LABELS.contains(&undecorated(label).to_lowercase().as_str())
    {
        text = undecorated(rest);
    }
    let product = PRODUCTS.contains(&text.to_ascii_lowercase().as_str());
    Some(text).filter(|text| is_name(text) && !product)
}

fn undecorated(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '`' | ':' | '"' | '\''))
        .trim_matches('_')
}

fn unquote(text: &str) -> &str {
    text.trim_matches(['"', '\'', '`', ','])
}

/// Whether it reads as a file's name or path.
fn is_name(text: &str) -> bool {
    let allowed = |c: char| {
        c.is_alphanumeric()
            || matches!(
                c,
                '.' | '_' | '-' | '/' | '\\' | '@' | '+' | '[' | ']' | '(' | ')' | '$' | '~' | ':'
            )
    };
    if text.is_empty() || text.len() > 240 || !text.chars().all(allowed) || text.contains("//") {
        return false;
    }
    let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
    if WELL_KNOWN.contains(&name.to_ascii_lowercase().as_str()) {
        return true;
    }
    match name.rsplit_once('.') {
        Some(("", hidden)) => hidden.len() > 1 && hidden.chars().all(char::is_alphanumeric),
        Some((_, extension)) => {
            (1..=12).contains(&extension.len())
                && extension.chars().all(|c| c.is_ascii_alphanumeric())
                && extension.chars().any(|c| c.is_ascii_alphabetic())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_an_info_string() {
        for (info, name) in [
            ("html index.html", "index.html"),
            ("index.html", "index.html"),
            ("js:src/app.js", "src/app.js"),
            ("css title=\"estilo.css\"", "estilo.css"),
            ("tsx {filename=src/App.tsx}", "src/App.tsx"),
            ("dockerfile", "dockerfile"),
            ("text .gitignore", ".gitignore"),
        ] {
            assert_eq!(in_info(info), Some(name), "{info}");
        }
        for info in ["", "html", "c++", "python 3.12", "js {1,3-5}", "sh https://a.b/c.html"] {
            assert_eq!(in_info(info), None, "{info}");
        }
    }

    #[test]
    fn a_name_is_found_in_a_first_comment() {
        for (line, name) in [
            ("<!-- index.html -->", "index.html"),
            ("// src/app.js", "src/app.js"),
            ("# file: app.py", "app.py"),
            ("/* estilos/menú.css */", "estilos/menú.css"),
            ("-- esquema.sql", "esquema.sql"),
        ] {
            assert_eq!(in_comment(line), Some(name), "{line}");
        }
        for line in ["#include <a.h>", "#!/usr/bin/env node", "// v2.0", "// see app.js", "x.js"] {
            assert_eq!(in_comment(line), None, "{line}");
        }
    }

    #[test]
    fn a_name_is_found_in_the_line_above() {
        for (line, name) in [
            ("**index.html**", "index.html"),
            ("### `src/app.js`:", "src/app.js"),
            ("1. style.css", "style.css"),
            ("Archivo: datos.json", "datos.json"),
            ("Crea el archivo `index.html`:", "index.html"),
            ("- **File:** `a/b.ts`", "a/b.ts"),
        ] {
            assert_eq!(in_line_above(line), Some(name), "{line}");
        }
        for line in ["### Node.js", "Run this:", "Change `a.js` and `b.js`:", "versión 2.0", ""] {
            assert_eq!(in_line_above(line), None, "{line}");
        }
    }
}
