//! Chunks: frames that follow each other, kept as one row.
//!
//! Of a frame nothing is kept but its bytes, and a row costs more than they do. A frame ends with an
//! empty line and holds none, since its data is JSON: so a chunk is cut again where it was joined.

use bytes::{Bytes, BytesMut};

/// A longer chunk is begun anew: whoever reads holds one in memory.
const CHUNK_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The number of its first frame.
    pub(super) first: u64,
    /// The number of its last.
    pub(super) last: u64,
    /// All of them.
    pub(super) frames: BytesMut,
}

/// Joins frames, given with their numbers, to as few chunks as there may be.
pub(super) fn join(frames: &[(u64, Bytes)]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for (seq, frame) in frames {
        match chunks.last_mut() {
            Some(chunk) if chunk.frames.len() + frame.len() <= CHUNK_BYTES => {
                chunk.frames.extend_from_slice(frame);
                chunk.last = *seq;
            }
            _ => chunks.push(Chunk { first: *seq, last: *seq, frames: BytesMut::from(&frame[..]) }),
        }
    }
    chunks
}

/// Takes a chunk's frames after number `last`, the chunk's own first being `first`, and none after
/// number `until`; answers the number of the last frame taken so far.
pub(super) fn take(frames: &mut BytesMut, chunk: &[u8], first: u64, last: u64, until: u64) -> u64 {
    let (mut rest, mut seq) = (chunk, first);
    while seq <= until
        && let Some(end) = rest.windows(2).position(|two| two == b"\n\n")
    {
        let (frame, after) = rest.split_at(end + 2);
        if seq > last {
            frames.extend_from_slice(frame);
        }
        rest = after;
        seq += 1;
    }
    last.max(seq - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::wire;

    #[test]
    fn a_chunk_is_cut_between_frames_wherever_its_reader_is() {
        let frames: Vec<(u64, Bytes)> =
            (5..10).map(|seq| (seq, wire::delta(seq, &format!("línea {seq}\n\ny otra")))).collect();
        let chunks = join(&frames);
        let [Chunk { first: 5, last: 9, frames: chunk }] = &chunks[..] else {
            panic!("one chunk: {chunks:?}")
        };
        for after in 0..12_u64 {
            for until in 5..12_u64 {
                let mut taken = BytesMut::new();
                let last = take(&mut taken, chunk, 5, after, until);
                assert_eq!(last, after.max(until.min(9)));
                let wanted = frames.iter().filter(|(seq, _)| *seq > after && *seq <= until);
                let wanted: Vec<&[u8]> = wanted.map(|(_, frame)| &frame[..]).collect();
                assert_eq!(taken, wanted.concat());
            }
        }
    }

    #[test]
    fn no_chunk_is_long_unless_its_one_frame_is() {
        let long = Bytes::from(vec![b'x'; CHUNK_BYTES + 1]);
        let short = Bytes::from_static(b"x");
        let frames = [(1, short.clone()), (2, long), (3, short.clone()), (4, short)];
        let numbers: Vec<(u64, u64)> =
            join(&frames).iter().map(|chunk| (chunk.first, chunk.last)).collect();
        assert_eq!(numbers, [(1, 1), (2, 2), (3, 4)]);
    }
}
