//! Server-sent events out of a stream of bytes.

/// No event of the API comes near this; what is longer is no stream of the API.
const MAX_EVENT_BYTES: usize = 16 << 20;

/// Why the bytes are no event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    #[error("the stream holds an event longer than 16 MiB")]
    TooLong,
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

/// Cuts bytes, in whatever pieces they arrive, into the `data` of events.
///
/// Names of events are not read: the API repeats them in the data. Lines may end in LF, CRLF or CR. An event without
/// its blank line at the end of the stream never was one.
#[derive(Debug, Default)]
pub(crate) struct SseDecoder {
    line: Vec<u8>,
    data: Option<String>,
    /// The last byte was a CR, so that an LF now belongs to it.
    after_carriage_return: bool,
    started: bool,
}

impl SseDecoder {
    /// Takes the next bytes and gives the events they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, SseError> {
        let mut events = Vec::new();
        let mut rest = bytes;
        if self.after_carriage_return && !rest.is_empty() {
            self.after_carriage_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend(&rest[..end])?;
            let carriage_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if carriage_return {
                self.after_carriage_return = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            events.extend(self.end_line()?);
        }
        self.extend(rest)?;
        Ok(events)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if held + bytes.len() > MAX_EVENT_BYTES {
            return Err(SseError::TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<String>, SseError> {
        let line = std::str::from_utf8(&self.line).map_err(|_| SseError::NotUtf8)?;
        let line = if self.started { line } else { line.trim_start_matches('\u{feff}') };
        self.started = true;
        let mut event = None;
        if line.is_empty() {
            event = self.data.take();
        } else if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        self.line.clear();
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\r\nevent: a\r\ndata: {\"x\":\"Grüße 🦀\"}  \r\n\r\nid: 7\rdata:one\rdata: two\r\rdata\n\ndata: lost";

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let expected = vec!["{\"x\":\"Grüße 🦀\"}  ".to_owned(), "one\ntwo".to_owned()];
        for size in 1..STREAM.len() {
            let mut decoder = SseDecoder::default();
            let events: Vec<_> =
                STREAM.as_bytes().chunks(size).flat_map(|piece| decoder.feed(piece).unwrap()).collect();
            assert_eq!(events, expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut decoder = SseDecoder::default();
        let piece = vec![b'x'; 1 << 20];
        let outcome = (0..17).try_for_each(|_| decoder.feed(&piece).map(drop));
        assert_eq!(outcome, Err(SseError::TooLong));
    }
}
