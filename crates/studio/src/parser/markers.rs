//! The frame that files travel in, both ways.
//!
//! ```text
//! <<<FILE nonce path>>>⏎      the header, at the start of a line
//! the bytes, verbatim⏎        this one newline belongs to the frame and not to the file
//! <<<END nonce>>>⏎
//! <<<DELETE nonce path>>>⏎
//! <<<RENAME nonce from -> to>>>⏎
//! ```
//!
//! The newline rule: the file begins after the header's newline and ends before the one newline
//! in front of `<<<END`. A file that ends in a newline therefore shows an empty line before its
//! end, and one that does not shows none; an empty file has none or one newline between header
//! and end. If the header's own newline was CRLF, the one before the end may be CRLF too. Nothing
//! inside is escaped or trimmed: the nonce is new for every prompt and occurs in none of its
//! files, so a marker with another nonce, or none, is content.

/// A header longer than this is none.
const HEADER_LIMIT: usize = 2_048;

/// A file in its frame.
#[must_use]
pub fn frame(nonce: &str, path: &str, text: &str) -> String {
    format!("<<<FILE {nonce} {path}>>>\n{text}\n<<<END {nonce}>>>\n")
}

/// The markers of one nonce.
#[derive(Clone, Debug)]
pub(super) struct Markers {
    end: String,
    file: String,
    delete: String,
    rename: String,
}

/// What stands at the start of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// No header.
    No,
    /// It may become one when more has arrived.
    Maybe,
    /// A header, `consumed` bytes long with the newline that ends it.
    Found { kind: Kind, argument: String, consumed: usize, crlf: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Delete,
    Rename,
}

/// Where a frame's content stops.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Not in this text, of which the first `safe` bytes cannot be part of a marker.
    None { safe: usize },
    /// The end marker stands here.
    End { at: usize },
    /// A header stands here, at the start of a line: the end was forgotten.
    Header { at: usize },
}

impl Markers {
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            end: format!("<<<END {nonce}>>>"),
            file: format!("<<<FILE {nonce} "),
            delete: format!("<<<DELETE {nonce} "),
            rename: format!("<<<RENAME {nonce} "),
        }
    }

    pub(super) fn end_len(&self) -> usize {
        self.end.len()
    }

    /// Reads the header at the start of `text`, which is at the start of a line. With `ended`,
    /// nothing more will come.
    pub(super) fn header(&self, text: &str, ended: bool) -> Header {
        for (kind, opening) in
            [(Kind::File, &self.file), (Kind::Delete, &self.delete), (Kind::Rename, &self.rename)]
        {
            if let Some(rest) = text.strip_prefix(opening.as_str()) {
                return read_header(kind, opening.len(), rest, ended);
            }
            if opening.starts_with(text) && !ended {
                return Header::Maybe;
            }
        }
        Header::No
    }

    /// Looks for what stops a frame's content; `line_start` says whether `text` begins a line.
    pub(super) fn stop(&self, text: &str, line_start: bool, ended: bool) -> Stop {
        let mut from = 0;
        while let Some(found) = text[from..].find("<<<") {
            let at = from + found;
            let rest = &text[at..];
            if rest.starts_with(&self.end) {
                return Stop::End { at };
            }
            if self.end.starts_with(rest) && !ended {
                return Stop::None { safe: at };
            }
            let begins_line = if at == 0 { line_start } else { text.as_bytes()[at - 1] == b'\n' };
            if begins_line {
                match self.header(rest, ended) {
                    Header::Found { .. } => return Stop::Header { at },
                    Header::Maybe => return Stop::None { safe: at },
                    Header::No => {}
                }
            }
            from = at + 1;
        }
        let open = if ended { 0 } else { text.len() - text.trim_end_matches('<').len() };
        Stop::None { safe: text.len() - open.min(2) }
    }

    /// The length of a cut-off end marker at the end of `text`, 0 if there is none.
    pub(super) fn cut_end(&self, text: &str) -> usize {
        match text.rfind("<<<E") {
            Some(at) if self.end.starts_with(&text[at..]) => text.len() - at,
            _ => 0,
        }
    }
}

fn read_header(kind: Kind, opening: usize, rest: &str, ended: bool) -> Header {
    let line = &rest[..rest.floor_char_boundary(HEADER_LIMIT + 3)];
    let Some(close) = line.find(">>>") else {
        let hopeless = line.contains('\n') || rest.len() >= HEADER_LIMIT + 3 || ended;
        return if hopeless { Header::No } else { Header::Maybe };
    };
    let argument = rest[..close].trim();
    let valid = match kind {
        Kind::Rename => argument.contains(" -> "),
        Kind::File | Kind::Delete => true,
    };
    if argument.is_empty() || rest[..close].contains('\n') || close > HEADER_LIMIT || !valid {
        return Header::No;
    }
    let after = &rest[close + 3..];
    let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
    let line_end = &after[blanks..];
    let (newline, crlf) = if blanks >= HEADER_LIMIT {
        (0, false)
    } else if line_end.starts_with('\n') {
        (blanks + 1, false)
    } else if line_end.starts_with("\r\n") {
        (blanks + 2, true)
    } else if (line_end.is_empty() || line_end == "\r") && !ended {
        return Header::Maybe;
    } else {
        // Something follows on the same line: it is content already.
        (0, false)
    };
    let consumed = opening + close + 3 + newline;
    Header::Found { kind, argument: argument.to_owned(), consumed, crlf }
}
