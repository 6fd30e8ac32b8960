//! Frames: the length of a header, the length of a body (both 32 bits, little-endian), the header in JSON, the body as it is.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Maximum bytes of a body. The largest is a changeset that is restored.
pub const MAX_BODY_BYTES: usize = 256 << 20;

/// Maximum bytes of a header. The largest lists the records of a sandbox, or carries a command with its environment.
const MAX_HEADER_BYTES: usize = 16 << 20;

const LENGTHS: usize = 8;

/// A whole frame, ready to be sent.
///
/// # Errors
/// `InvalidInput` when header or body are too long, or the header is not JSON.
pub fn encode(header: &impl Serialize, body: &[u8]) -> io::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)?;
    if header.len() > MAX_HEADER_BYTES || body.len() > MAX_BODY_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    let mut frame = Vec::with_capacity(LENGTHS + header.len() + body.len());
    for length in [header.len(), body.len()] {
        frame.extend_from_slice(&u32::try_from(length).map_err(io::Error::other)?.to_le_bytes());
    }
    frame.extend_from_slice(&header);
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Takes bytes as they come and gives whole frames.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// The bytes of `buffer` that were given already.
    given: usize,
}

impl Frames {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.given == self.buffer.len() {
            self.buffer.clear();
            self.given = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if it has come.
    ///
    /// # Errors
    /// `InvalidData` when the bytes are no frame of this protocol. Nothing that follows can be understood.
    pub fn take<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        let Some((header, body)) = self.lengths()? else { return Ok(None) };
        let start = self.given + LENGTHS;
        let Some(frame) = self.buffer.get(start..start + header + body) else { return Ok(None) };
        let (header, body) = frame.split_at(header);
        let message = serde_json::from_slice(header)?;
        let body = body.to_vec();
        self.given = start + header.len() + body.len();
        self.shrink();
        Ok(Some((message, body)))
    }

    fn lengths(&self) -> io::Result<Option<(usize, usize)>> {
        let number = |from: usize| {
            let bytes: [u8; 4] = self.buffer.get(from..from + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        let (Some(header), Some(body)) = (number(self.given), number(self.given + 4)) else { return Ok(None) };
        if header > MAX_HEADER_BYTES || body > MAX_BODY_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
        }
        Ok(Some((header, body)))
    }

    /// Drops what was given, once it is worth the move, and the memory of a large frame.
    fn shrink(&mut self) {
        const WORTH_BYTES: usize = 64 << 10;
        if self.given >= WORTH_BYTES || self.given == self.buffer.len() {
            self.buffer.drain(..self.given);
            self.given = 0;
            self.buffer.shrink_to(WORTH_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let mut stream = encode(&"first", b"body").unwrap();
        stream.extend(encode(&"second", b"").unwrap());
        let mut frames = Frames::default();
        let mut got: Vec<(String, Vec<u8>)> = Vec::new();
        for byte in stream {
            frames.push(&[byte]);
            got.extend(frames.take().unwrap());
        }
        assert_eq!(got, [("first".to_owned(), b"body".to_vec()), ("second".to_owned(), Vec::new())]);
    }

    #[test]
    fn an_impossible_length_and_a_header_that_is_no_json_are_refused() {
        let mut frames = Frames::default();
        frames.push(&[0xff; 8]);
        assert!(frames.take::<String>().is_err());
        let mut frames = Frames::default();
        frames.push(&[1, 0, 0, 0, 0, 0, 0, 0, b'{']);
        assert!(frames.take::<String>().is_err());
    }
}
