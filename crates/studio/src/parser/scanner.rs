//! From a stream of text to what stands in it, holding back only what may still be a marker.
//!
//! The scanner is a loop over `pending`: as long as the state can decide something about its
//! beginning, that much is consumed and told. What is told never depends on how the text was cut,
//! because a decision is taken only once no continuation could change it.

use super::fence::{Fence, LINE_LIMIT, Opening, closing, opening};
use super::markers::{Header, Kind, Markers, Stop};
use super::names;
use crate::paths::FilePath;

/// What the scanner tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Belongs to no file.
    Explanation(String),
    /// A file begins. `opening` is what was consumed for it (kept for fences only).
    Open { path: String, opening: String, fenced: bool },
    /// More of the open file.
    Text(String),
    /// The open file ends, seen or not. `closing` as `opening`.
    Close { complete: bool, closing: String },
    /// A file goes.
    Delete { path: String },
    /// A file moves.
    Rename { from: String, to: String },
    /// A path was refused; its bytes are explained.
    Refused { path: String },
}

#[derive(Debug)]
enum State {
    Outside,
    /// In a frame; without a path if that was refused.
    Framed {
        refused: bool,
        crlf: bool,
    },
    /// Behind an end marker: the newline that follows belongs to it.
    AfterEnd {
        refused: bool,
    },
    /// In a fenced block; without a name it is explanation.
    Fenced {
        named: bool,
        fence: Fence,
    },
}

#[derive(Debug)]
pub(super) struct Scanner {
    markers: Markers,
    pending: String,
    /// How much of `pending` has been consumed.
    consumed: usize,
    state: State,
    line_start: bool,
    /// A frame was seen: fences mean nothing any more.
    framed: bool,
    above: LineAbove,
    events: Vec<Event>,
}

/// The last line of the explanation that is not blank.
#[derive(Debug, Default)]
struct LineAbove {
    line: String,
    current: String,
    blanks: usize,
}

impl LineAbove {
    fn push(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            if self.current.len() <= LINE_LIMIT {
                self.current.push_str(piece);
            }
            if piece.ends_with('\n') {
                if self.current.trim().is_empty() {
                    self.blanks += 1;
                } else {
                    self.line = std::mem::take(&mut self.current);
                    self.blanks = 0;
                }
                self.current.clear();
            }
        }
    }

    /// The name in it, if it is near enough.
    fn name(&self) -> Option<&str> {
        (self.blanks <= 1 && self.line.len() <= LINE_LIMIT)
            .then(|| names::in_line_above(&self.line))
            .flatten()
    }
}

impl Scanner {
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            markers: Markers::new(nonce),
            pending: String::new(),
            consumed: 0,
            state: State::Outside,
            line_start: true,
            framed: false,
            above: LineAbove::default(),
            events: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, text: &str) -> Vec<Event> {
        self.pending.drain(..self.consumed);
        self.consumed = 0;
        self.pending.push_str(text);
        while self.step(false) {}
        std::mem::take(&mut self.events)
    }

    /// Nothing more comes: what was held back is decided.
    pub(super) fn finish(mut self) -> Vec<Event> {
        while self.step(true) {}
        match self.state {
            State::Framed { refused: false, .. } | State::Fenced { named: true, .. } => {
                self.events.push(Event::Close { complete: false, closing: String::new() });
            }
            _ => {}
        }
        self.events
    }

    /// What has not been consumed.
    fn rest(&self) -> &str {
        &self.pending[self.consumed..]
    }

    /// Decides something about the beginning of `pending`; false if it cannot, or all is done.
    fn step(&mut self, ended: bool) -> bool {
        if self.rest().is_empty() {
            return false;
        }
        match self.state {
            State::Outside => self.outside(ended),
            State::Framed { refused, crlf } => self.framed(refused, crlf, ended),
            State::AfterEnd { refused } => self.after_end(refused, ended),
            State::Fenced { named, fence } => self.fenced(named, fence, ended),
        }
    }

    fn outside(&mut self, ended: bool) -> bool {
        if self.line_start {
            match self.markers.header(self.rest(), ended) {
                Header::Maybe => return false,
                Header::Found { kind, argument, consumed, crlf } => {
                    self.header(kind, &argument, consumed, crlf);
                    return true;
                }
                Header::No => {}
            }
            if !self.framed {
                match opening(self.rest(), ended) {
                    Opening::Maybe => return false,
                    Opening::Found { fence, consumed, name } => {
                        let name = name.or_else(|| self.above.name()).map(str::to_owned);
                        self.open_fence(fence, consumed, name);
                        return true;
                    }
                    Opening::No => {}
                }
            }
        }
        let line = self.take_line();
        self.explain(line);
        true
    }

    /// A valid header stands at the start of `pending`.
    fn header(&mut self, kind: Kind, argument: &str, consumed: usize, crlf: bool) {
        let raw = self.take(consumed);
        self.line_start = true;
        self.framed = true;
        match (kind, FilePath::parse(argument)) {
            (Kind::File, Ok(path)) => {
                let (path, opening) = (path.into_string(), String::new());
                self.events.push(Event::Open { path, opening, fenced: false });
                self.state = State::Framed { refused: false, crlf };
            }
            (Kind::File, Err(_)) => {
                self.refuse(argument, raw);
                self.state = State::Framed { refused: true, crlf };
            }
            (Kind::Delete, Ok(path)) => {
                self.events.push(Event::Delete { path: path.into_string() });
            }
            (Kind::Delete, Err(_)) => self.refuse(argument, raw),
            (Kind::Rename, _) => {
                let (from, to) = argument.split_once(" -> ").unwrap_or((argument, ""));
                match (FilePath::parse(from), FilePath::parse(to)) {
                    (Ok(from), Ok(to)) => {
                        let (from, to) = (from.into_string(), to.into_string());
                        self.events.push(Event::Rename { from, to });
                    }
                    (Err(_), _) => self.refuse(from, raw),
                    (_, Err(_)) => self.refuse(to, raw),
                }
            }
        }
    }

    fn refuse(&mut self, path: &str, raw: String) {
        self.events.push(Event::Refused { path: path.trim().to_owned() });
        self.explain(raw);
    }

    fn framed(&mut self, refused: bool, crlf: bool, ended: bool) -> bool {
        match self.markers.stop(self.rest(), self.line_start, ended) {
            Stop::None { .. } if ended => {
                let cut = self.markers.cut_end(self.rest());
                self.content(self.rest().len() - cut, cut > 0, crlf, refused);
                if cut > 0 {
                    self.close_frame(refused, false);
                    let rest = self.take(cut);
                    self.explain(rest);
                }
                true
            }
            Stop::None { safe } => {
                let newline = framing_newline(&self.rest()[..safe], crlf);
                // With CRLF framing, a CR at the end may be the first half of that newline.
                let half = usize::from(crlf && newline == 0 && self.rest()[..safe].ends_with('\r'));
                let certain = safe - newline - half;
                let text = self.take(certain);
                self.emit(text, refused);
                certain > 0
            }
            Stop::End { at } => {
                self.content(at, true, crlf, refused);
                let marker = self.take(self.markers.end_len());
                if refused {
                    self.explain(marker);
                }
                self.close_frame(refused, true);
                self.state = State::AfterEnd { refused };
                true
            }
            Stop::Header { at } => {
                self.content(at, true, crlf, refused);
                self.close_frame(refused, false);
                true
            }
        }
    }

    /// Takes the frame's content up to `at`, without the newline that belongs to the frame.
    fn content(&mut self, at: usize, framing: bool, crlf: bool, refused: bool) {
        let newline = if framing { framing_newline(&self.rest()[..at], crlf) } else { 0 };
        let text = self.take(at - newline);
        self.emit(text, refused);
        let newline = self.take(newline);
        if refused {
            self.explain(newline);
        }
    }

    fn close_frame(&mut self, refused: bool, complete: bool) {
        if !refused {
            self.events.push(Event::Close { complete, closing: String::new() });
        }
        self.state = State::Outside;
        self.line_start = true;
    }

    fn after_end(&mut self, refused: bool, ended: bool) -> bool {
        if self.rest() == "\r" && !ended {
            return false;
        }
        let newline = if self.rest().starts_with('\n') {
            1
        } else if self.rest().starts_with("\r\n") {
            2
        } else {
            0
        };
        let newline = self.take(newline);
        if refused {
            self.explain(newline);
        }
        self.state = State::Outside;
        self.line_start = true;
        true
    }

    fn open_fence(&mut self, fence: Fence, consumed: usize, name: Option<String>) {
        let opening = self.take(consumed);
        self.line_start = true;
        let named = match name.map(|name| (FilePath::parse(&name), name)) {
            Some((Ok(path), _)) => {
                let path = path.into_string();
                self.events.push(Event::Open { path, opening, fenced: true });
                self.above = LineAbove::default();
                true
            }
            Some((Err(_), name)) => {
                self.refuse(&name, opening);
                false
            }
            None => {
                self.explain(opening);
                false
            }
        };
        self.line_start = true;
        self.state = State::Fenced { named, fence };
    }

    fn fenced(&mut self, named: bool, fence: Fence, ended: bool) -> bool {
        if self.line_start {
            match self.markers.header(self.rest(), ended) {
                Header::Maybe => return false,
                Header::Found { .. } => {
                    self.close_fence(named, false, String::new());
                    return true;
                }
                Header::No => {}
            }
            match closing(self.rest(), fence, ended) {
                None => return false,
                Some(0) => {}
                Some(consumed) => {
                    let line = self.take(consumed);
                    self.close_fence(named, true, line);
                    return true;
                }
            }
        }
        let line = self.take_line();
        if named {
            self.text(line);
        } else {
            self.explain(line);
        }
        true
    }

    fn close_fence(&mut self, named: bool, complete: bool, closing: String) {
        self.line_start = true;
        if named {
            self.events.push(Event::Close { complete, closing });
        } else {
            self.explain(closing);
        }
        self.above = LineAbove::default();
        self.line_start = true;
        self.state = State::Outside;
    }

    /// Takes the rest of the line with its newline, or what there is of it.
    fn take_line(&mut self) -> String {
        let length = self.rest().find('\n').map_or(self.rest().len(), |at| at + 1);
        self.take(length)
    }

    fn take(&mut self, length: usize) -> String {
        if length == 0 {
            return String::new();
        }
        let taken = self.rest()[..length].to_owned();
        self.consumed += length;
        self.line_start = taken.ends_with('\n');
        taken
    }

    fn emit(&mut self, text: String, refused: bool) {
        if refused {
            self.explain(text);
        } else if !text.is_empty() {
            self.text(text);
        }
    }

    fn text(&mut self, more: String) {
        match self.events.last_mut() {
            Some(Event::Text(text)) => text.push_str(&more),
            _ => self.events.push(Event::Text(more)),
        }
    }

    fn explain(&mut self, text: String) {
        if !text.is_empty() {
            self.above.push(&text);
            match self.events.last_mut() {
                Some(Event::Explanation(before)) => before.push_str(&text),
                _ => self.events.push(Event::Explanation(text)),
            }
        }
    }
}

/// Length of the newline at the end of `text` that belongs to the frame.
fn framing_newline(text: &str, crlf: bool) -> usize {
    if crlf && text.ends_with("\r\n") { 2 } else { usize::from(text.ends_with('\n')) }
}
