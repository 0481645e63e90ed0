//! Files between markers that carry a nonce: read from what the app sends, written in the answer.

/// A file of the project as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

/// The nonce that the system prompt gives in its line `AUTOCREA-FILES <nonce>`.
pub(super) fn nonce(system: &str) -> Option<String> {
    let (_, rest) = system.split_once("AUTOCREA-FILES ")?;
    let nonce: String = rest.chars().take_while(|letter| !letter.is_whitespace()).collect();
    (!nonce.is_empty()).then_some(nonce)
}

/// Parts a message into the files framed in it and the words around them.
pub(super) fn part(message: &str) -> (Vec<File>, String) {
    let mut files = Vec::new();
    let mut words = String::new();
    let mut rest = message;
    while let Some(start) = rest.find("<<<FILE ") {
        let Some(found) = framed(&rest[start..]) else {
            break;
        };
        words.push_str(&rest[..start]);
        rest = &rest[start + found.length..];
        files.push(found.file);
    }
    words.push_str(rest);
    (files, words)
}

struct Framed {
    file: File,
    length: usize,
}

/// The frame that `text` begins with. The newline before its end belongs to the frame.
fn framed(text: &str) -> Option<Framed> {
    let header = text.strip_prefix("<<<FILE ")?;
    let (header, content) = header.split_once(">>>\n")?;
    let (nonce, path) = header.split_once(' ')?;
    let opening = text.len() - content.len();
    let closing = format!("<<<END {nonce}>>>");
    let (end, newline) = if content.starts_with(&closing) {
        (0, 0)
    } else {
        (content.find(&format!("\n{closing}"))?, 1)
    };
    Some(Framed {
        file: File { path: path.trim().to_owned(), text: content[..end].to_owned() },
        length: opening + end + newline + closing.len(),
    })
}

/// The file as the answer carries it: framed where there is a nonce, else a fenced block with the
/// file's name in its info string.
pub(super) fn write(file: &File, nonce: Option<&str>) -> String {
    let File { path, text } = file;
    match nonce {
        Some(nonce) => format!("<<<FILE {nonce} {path}>>>\n{text}\n<<<END {nonce}>>>\n"),
        None => {
            let language = path.rsplit('.').next().unwrap_or_default();
            format!("```{language} {path}\n{}\n```\n", text.trim_end_matches('\n'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let file = File { path: "src/a b.js".into(), text: "let x = '<<<END other>>>';\n".into() };
        let message = format!("Antes.\n{}Después.", write(&file, Some("n0nce")));
        let (files, words) = part(&message);
        assert_eq!(files, [file]);
        assert_eq!(words, "Antes.\n\nDespués.");
    }

    #[test]
    fn an_end_within_a_line_is_content_and_a_file_may_be_empty() {
        let (files, words) = part("<<<FILE n a.js>>>\nx <<<END n>>>\n\n<<<END n>>>\nHi");
        assert_eq!(files[0].text, "x <<<END n>>>\n");
        assert_eq!(words, "\nHi");
        let (files, _) = part("<<<FILE n a.js>>>\n<<<END n>>>\n");
        assert_eq!(files[0].text, "");
    }

    #[test]
    fn a_frame_without_an_end_is_words() {
        let (files, words) = part("a <<<FILE n x.js>>>\nlet y");
        assert!(files.is_empty());
        assert_eq!(words, "a <<<FILE n x.js>>>\nlet y");
    }

    #[test]
    fn the_nonce_is_read_from_its_line() {
        assert_eq!(nonce("Be good.\nAUTOCREA-FILES k3y9\nMore.").as_deref(), Some("k3y9"));
        assert_eq!(nonce("Be good."), None);
    }
}
