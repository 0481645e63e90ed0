//! Putting the shim into a served page, and the page that says that something is missing.

use crate::ipc::Language;
use crate::messages::{Say, WorkMessage};

const SHIM: &str = include_str!("shim.js");

/// The page with the shim before anything of its own. The stored bytes are not touched.
///
/// The script goes right behind the doctype: the parser makes `html` and `head` for it, and takes
/// the attributes of the page's own `<html>` when it comes, so nothing has to be searched for.
pub(super) fn with_shim(page: &[u8], language: Language) -> Vec<u8> {
    let script = one_line(SHIM)
        .replace("\"{note}\"", &in_script(&WorkMessage::PreviewMemory, language))
        .replace("\"{missing}\"", &in_script(&WorkMessage::PreviewNotLoaded, language));
    let at = behind_doctype(page);
    let mut served = Vec::with_capacity(page.len() + script.len() + 20);
    served.extend_from_slice(&page[..at]);
    served.extend_from_slice(b"<script>");
    served.extend_from_slice(script.as_bytes());
    served.extend_from_slice(b"</script>");
    served.extend_from_slice(&page[at..]);
    served
}

/// The script on one line, so that errors of the page keep their line numbers.
fn one_line(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.collect::<Vec<_>>().join(" ")
}

/// A sentence as a JavaScript string that can stand in a page.
fn in_script(message: &WorkMessage, language: Language) -> String {
    serde_json::Value::from(message.say(language)).to_string().replace('<', "\\u003c")
}

/// Where the doctype ends; the beginning if there is none.
fn behind_doctype(page: &[u8]) -> usize {
    let start = if page.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut at = start;
    loop {
        let rest = &page[at..];
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let rest = &rest[blanks..];
        let (length, found) = if rest.starts_with(b"<!--") {
            (position(rest, b"-->").map(|end| end + 3), false)
        } else if rest.starts_with(b"<?") {
            (position(rest, b">").map(|end| end + 1), false)
        } else if rest.len() >= 9 && rest[..9].eq_ignore_ascii_case(b"<!doctype") {
            (position(rest, b">").map(|end| end + 1), true)
        } else {
            return start;
        };
        let Some(length) = length else { return start };
        at += blanks + length;
        if found {
            return at;
        }
    }
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// What is served where there is nothing.
pub(super) fn missing(language: Language) -> Vec<u8> {
    let (lang, title) = match language {
        Language::Es => ("es", "No está aquí"),
        Language::En => ("en", "Not here"),
    };
    let sentence = WorkMessage::PreviewFileMissing.say(language);
    format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;\
         display:grid;place-content:center;min-height:90vh;text-align:center;margin:2rem}}\
         h1{{font-size:1.25rem;margin:0 0 .5rem}}</style><h1>{title}</h1><p>{sentence}</p></html>"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(page: &str) -> (String, String) {
        let text = String::from_utf8(with_shim(page.as_bytes(), Language::Es)).expect("text");
        let (before, rest) = text.split_once("<script>").expect("a script");
        let (_, after) = rest.split_once("</script>").expect("its end");
        (before.to_owned(), after.to_owned())
    }

    #[test]
    fn the_shim_stands_before_the_pages_own_scripts_and_behind_its_doctype() {
        for (before, after) in [
            ("<!DOCTYPE html>", "<html lang=\"es\"><head><script>x</script></head></html>"),
            ("<!-- a > b -->\n<!doctype html PUBLIC \"x\">", "\n<p>hola"),
            ("", "<script>x</script>"),
            ("", "<!doctype html"),
            ("", ""),
            ("\u{feff}<!doctype html>", "<p>"),
        ] {
            assert_eq!(served(&format!("{before}{after}")), (before.into(), after.into()));
        }
    }

    #[test]
    fn the_shim_can_stand_in_a_page() {
        assert!(!SHIM.to_lowercase().contains("</script"));
        let comments = SHIM.lines().filter(|line| line.contains(" //"));
        assert!(comments.map(str::trim).all(|line| line.starts_with("//")), "one line: see above");
        let page = String::from_utf8(with_shim(b"", Language::En)).expect("text");
        assert!(
            page.contains("last until reload") && !page.contains('\n') && !page.contains("{note}")
        );
        assert!(page.contains("“{file}” could not be loaded"));
    }
}
