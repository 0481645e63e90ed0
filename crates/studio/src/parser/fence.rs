//! Fenced blocks of Markdown, for models that do not frame: where one opens and where it closes.

use super::names;

/// The run of marks that opens a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence {
    mark: u8,
    length: usize,
}

/// A fence's opening, read.
pub(super) enum Opening<'a> {
    No,
    Maybe,
    Found { fence: Fence, consumed: usize, name: Option<&'a str> },
}

/// A line longer than this opens nothing, and names nothing.
pub(super) const LINE_LIMIT: usize = 1_024;

/// Reads a fence at the start of a line, with the first line of its block if the info string
/// names nothing.
pub(super) fn opening(text: &str, ended: bool) -> Opening<'_> {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let run = &text[indent..];
    let Some(mark) = run.bytes().next() else {
        return if indent > 3 || ended { Opening::No } else { Opening::Maybe };
    };
    if indent > 3 || !matches!(mark, b'`' | b'~') {
        return Opening::No;
    }
    let length = run.bytes().take_while(|byte| *byte == mark).count();
    let Some(line_end) = text.find('\n') else {
        let open = length >= 3 || length == run.len();
        return if open && text.len() <= LINE_LIMIT && !ended {
            Opening::Maybe
        } else {
            Opening::No
        };
    };
    let info = text.get(indent + length..line_end).unwrap_or_default();
    if length < 3 || line_end > LINE_LIMIT || (mark == b'`' && info.contains('`')) {
        return Opening::No;
    }
    let (fence, consumed) = (Fence { mark, length }, line_end + 1);
    if let Some(name) = names::in_info(info) {
        return Opening::Found { fence, consumed, name: Some(name) };
    }
    let body = &text[consumed..];
    let first = match body.find('\n') {
        Some(end) => &body[..end],
        None if body.len() <= LINE_LIMIT && !ended => return Opening::Maybe,
        None => body,
    };
    let name = if first.len() > LINE_LIMIT { None } else { names::in_comment(first) };
    Opening::Found { fence, consumed, name }
}

/// Length of the closing line at the start of `text`: 0 if it is none, `None` if that cannot be
/// said yet.
pub(super) fn closing(text: &str, fence: Fence, ended: bool) -> Option<usize> {
    let (line, whole) = match text.find('\n') {
        Some(end) => (&text[..end], true),
        None => (text, ended),
    };
    let indent = line.len() - line.trim_start_matches(' ').len();
    let run = &line[indent..];
    let length = run.bytes().take_while(|byte| *byte == fence.mark).count();
    let blank_after = run[length..].trim_end_matches([' ', '\t', '\r']).is_empty();
    if indent > 3 || !blank_after || line.len() > LINE_LIMIT {
        return Some(0);
    }
    if whole {
        let consumed = if line.len() < text.len() { line.len() + 1 } else { line.len() };
        return Some(if length >= fence.length { consumed } else { 0 });
    }
    // Blanks after too short a run cannot become a fence.
    if length < fence.length && length < run.len() { Some(0) } else { None }
}
