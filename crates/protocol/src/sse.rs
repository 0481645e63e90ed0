//! Reading server-sent events, whatever the chunking.
//!
//! Bytes go in as the network delivers them; whole frames come out. A character cut in two by a
//! chunk boundary is not damaged, because a line is only read once it has ended. Memory is bounded:
//! a line or frame over the limit is an error, not an allocation. Comments (heartbeats) are counted
//! as life and otherwise dropped. Written after the WHATWG HTML standard, section 9.2.

use std::borrow::Cow;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// `event:`; `message` where none was given.
    pub event: String,
    /// `id:`, if this frame carried one.
    pub id: Option<String>,
    /// `data:` lines joined by line feeds.
    pub data: String,
}

/// A frame that is larger than the reader allows.
#[derive(Debug, thiserror::Error)]
#[error("a server-sent event is larger than {limit} bytes")]
pub struct TooLarge {
    limit: usize,
}

/// An incremental reader.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    line: Vec<u8>,
    after_cr: bool,
    at_start: bool,
    frame: Frame,
    has_data: bool,
}

impl Decoder {
    /// A reader that allows frames of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            frame: Frame::default(),
            has_data: false,
        }
    }

    /// Takes what the network delivered and appends the frames that it completes to `frames`.
    ///
    /// # Errors
    /// [`TooLarge`], after which the reader is of no more use.
    pub fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<(), TooLarge> {
        self.read(bytes, |frame| frames.push(frame.clone()))
    }

    /// The same, showing each frame where it is: the next one takes its room.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub fn read(&mut self, bytes: &[u8], mut show: impl FnMut(&Frame)) -> Result<(), TooLarge> {
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            if rest[0] == b'\n' {
                rest = &rest[1..];
            }
        }
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            let (line, carriage_return) = (&rest[..end], rest[end] == b'\r');
            rest = &rest[end + 1..];
            if carriage_return {
                match rest.first() {
                    Some(b'\n') => rest = &rest[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if self.line.is_empty() {
                self.allow(line.len())?;
                self.end_line(line, &mut show)?;
            } else {
                self.extend_line(line)?;
                let mut line = std::mem::take(&mut self.line);
                self.end_line(&line, &mut show)?;
                line.clear();
                self.line = line;
            }
        }
        self.extend_line(rest)
    }

    /// Whether the line may have so many bytes more.
    fn allow(&self, bytes: usize) -> Result<(), TooLarge> {
        if self.line.len() + self.frame.data.len() + bytes > self.limit {
            return Err(TooLarge { limit: self.limit });
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        self.allow(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], show: &mut impl FnMut(&Frame)) -> Result<(), TooLarge> {
        // Nearly always it is text, and whether it is takes a tenth of the time to say.
        let mut text = match std::str::from_utf8(line) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(line),
        };
        if std::mem::take(&mut self.at_start)
            && let Some(stripped) = text.strip_prefix('\u{feff}')
        {
            text = stripped.to_owned().into();
        }
        if text.is_empty() {
            self.dispatch(show);
            return Ok(());
        }
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.frame.event),
            "id" if !value.contains('\0') => self.frame.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.has_data = true;
                self.frame.data.push_str(value);
                if self.frame.data.len() > self.limit {
                    return Err(TooLarge { limit: self.limit });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, show: &mut impl FnMut(&Frame)) {
        if std::mem::take(&mut self.has_data) {
            if self.frame.event.is_empty() {
                "message".clone_into(&mut self.frame.event);
            }
            show(&self.frame);
        }
        self.frame.event.clear();
        self.frame.id = None;
        self.frame.data.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut decoder = Decoder::new(1 << 20);
        let mut frames = Vec::new();
        for chunk in chunks {
            decoder.push(chunk, &mut frames).expect("small enough");
        }
        frames
    }

    #[test]
    fn a_frame_is_read_with_its_name_id_and_joined_data() {
        let frames = read(&[b": beat\n\nevent: delta\nid: 7\ndata: one\ndata:  two\n\n"]);
        assert_eq!(
            frames,
            [Frame { event: "delta".into(), id: Some("7".into()), data: "one\n two".into() }]
        );
    }

    #[test]
    fn a_frame_that_has_not_ended_is_not_given_out() {
        assert!(read(&[b"data: half\n"]).is_empty());
    }

    #[test]
    fn a_frame_over_the_limit_is_an_error_and_not_an_allocation() {
        let mut decoder = Decoder::new(8);
        assert!(decoder.push(b"data: 123456789", &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_way_of_cutting_gives_the_same_frames(
            texts in proptest::collection::vec("[a-zñ€🦀 ]{0,12}", 1..5),
            ending in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let wire: String = texts
                .iter()
                .map(|text| format!("event: x{ending}data: {text}{ending}{ending}"))
                .collect();
            let bytes = wire.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let frames = read(&pieces);
            prop_assert_eq!(frames.len(), texts.len());
            for (frame, text) in frames.iter().zip(&texts) {
                prop_assert_eq!(&frame.data, text);
            }
        }
    }
}
