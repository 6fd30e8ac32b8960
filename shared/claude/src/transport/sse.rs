//! Decodes a stream of bytes into server-sent events.

/// Maximum bytes buffered for one event. An event of the API holds a few tokens; only a faulty peer sends one this long.
const MAX_EVENT_BYTES: usize = 16 << 20;

/// Bytes that are not an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SseError {
    #[error("an event of the stream is longer than 16 MiB")]
    TooLong,
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

/// Turns bytes, in whatever pieces they arrive, into the `data` of events.
///
/// The field `event` is ignored: the API repeats it as `type` in the data. As the specification demands, lines may end in LF,
/// CRLF or CR, and an event without a blank line after it, at the end of the stream, is discarded.
#[derive(Debug, Default)]
pub(super) struct SseDecoder {
    line: Vec<u8>,
    data: Option<String>,
    /// The last byte was a CR, so that an LF at the beginning of the next bytes belongs to it.
    after_carriage_return: bool,
    /// A line was read; only the first one may begin with a byte order mark.
    started: bool,
}

impl SseDecoder {
    /// Takes the next bytes and returns the data of the events they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, SseError> {
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
        let buffered = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if buffered + bytes.len() > MAX_EVENT_BYTES {
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
    fn events_do_not_depend_on_how_the_bytes_are_cut() {
        let expected = vec!["{\"x\":\"Grüße 🦀\"}  ".to_owned(), "one\ntwo".to_owned()];
        for size in 1..STREAM.len() {
            let mut decoder = SseDecoder::default();
            let events: Vec<_> =
                STREAM.as_bytes().chunks(size).flat_map(|piece| decoder.feed(piece).unwrap()).collect();
            assert_eq!(events, expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_rejected() {
        let mut decoder = SseDecoder::default();
        let piece = vec![b'x'; 1 << 20];
        let outcome = (0..17).try_for_each(|_| decoder.feed(&piece).map(drop));
        assert_eq!(outcome, Err(SseError::TooLong));
    }
}
