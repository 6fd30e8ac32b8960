//! Replaces text in a file and leaves the rest as it is: line endings, byte order mark and final newline.

use super::lines::common_ends;

/// A file's content, together with its normal form, in which every `\r\n` is a `\n`. A model's text is matched against the
/// normal form, so that it need not know the file's line endings.
pub(crate) struct Document<'a> {
    original: &'a [u8],
    normal: Vec<u8>,
    /// The positions in `normal` of each `\n` that is `\r\n` in `original`, ascending.
    returns: Vec<usize>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(original: &'a [u8]) -> Self {
        let mut normal = Vec::with_capacity(original.len());
        let mut returns = Vec::new();
        for (index, byte) in original.iter().enumerate() {
            if *byte == b'\r' && original.get(index + 1) == Some(&b'\n') {
                returns.push(normal.len());
            } else {
                normal.push(*byte);
            }
        }
        Self { original, normal, returns }
    }

    pub(crate) fn normal(&self) -> &[u8] {
        &self.normal
    }

    /// The positions of the first `limit` occurrences of `needle` in the normal form. Overlapping occurrences count, because
    /// each of them makes an edit ambiguous.
    pub(crate) fn find(&self, needle: &[u8], limit: usize) -> Vec<usize> {
        let finder = memchr::memmem::Finder::new(needle);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.normal.get(from..).and_then(|rest| finder.find(rest)) {
            found.push(from + at);
            from += at + 1;
            if found.len() == limit {
                break;
            }
        }
        found
    }

    /// The line, counted from 0, that holds a position of the normal form.
    pub(crate) fn line_at(&self, position: usize) -> usize {
        memchr::memchr_iter(b'\n', &self.normal[..position.min(self.normal.len())]).count()
    }

    /// The content with `old`, which stands at `at` in the normal form, replaced by `new`. Both are in normal form.
    ///
    /// The common beginning and the common end of `old` and `new` are not touched, so that surrounding lines, which only
    /// locate the edit, keep their endings in a file with mixed endings. New lines get the ending of the line in which the
    /// change begins.
    pub(crate) fn replace(&self, at: usize, old: &[u8], new: &[u8]) -> Vec<u8> {
        let (prefix, suffix) = common_ends(old, new);
        let (begin, end) = (at + prefix, at + old.len() - suffix);
        let mut result = self.original[..self.original_position(begin)].to_vec();
        let middle = &new[prefix..new.len() - suffix];
        if self.ends_with_return(begin) {
            for byte in middle {
                if *byte == b'\n' {
                    result.push(b'\r');
                }
                result.push(*byte);
            }
        } else {
            result.extend_from_slice(middle);
        }
        result.extend_from_slice(&self.original[self.original_position(end)..]);
        result
    }

    /// The position in the original of a position in the normal form; for a `\r\n`, that of its `\r`.
    fn original_position(&self, normal: usize) -> usize {
        normal + self.returns.partition_point(|position| *position < normal)
    }

    /// Whether the line at a position ends in `\r\n`. For a last line without an ending, the line before it decides.
    fn ends_with_return(&self, position: usize) -> bool {
        let after = self.normal.get(position..).unwrap_or_default();
        let newline = match memchr::memchr(b'\n', after) {
            Some(offset) => Some(position + offset),
            None => memchr::memrchr(b'\n', &self.normal),
        };
        newline.is_some_and(|newline| self.returns.binary_search(&newline).is_ok())
    }
}

/// A model's text in normal form.
pub(crate) fn normalise(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n").into_bytes()
}
