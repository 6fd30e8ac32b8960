//! Replacing text without touching the rest: line endings, byte order mark and final newline stay as they are.

/// A file's bytes, with `\r\n` also seen as `\n`.
pub(crate) struct Document<'a> {
    original: &'a [u8],
    normal: Vec<u8>,
    /// Where in `normal` a `\n` stands that is `\r\n` in `original`.
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

    /// The content with `\n` endings only.
    pub(crate) fn normal(&self) -> &[u8] {
        &self.normal
    }

    /// Where `needle` occurs in the normal form, overlapping occurrences too, at most `most` of them.
    pub(crate) fn find(&self, needle: &[u8], most: usize) -> Vec<usize> {
        let finder = memchr::memmem::Finder::new(needle);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.normal.get(from..).and_then(|rest| finder.find(rest)) {
            found.push(from + at);
            from += at + 1;
            if found.len() == most {
                break;
            }
        }
        found
    }

    /// Which line a position of the normal form is in, counted from 0.
    pub(crate) fn line_at(&self, position: usize) -> usize {
        memchr::memchr_iter(b'\n', &self.normal[..position.min(self.normal.len())]).count()
    }

    /// The content with `old.len()` bytes at `at` of the normal form replaced by `new`, both in normal form.
    ///
    /// What `old` and `new` have in common at their ends is not touched, so that lines which only serve to name the
    /// place keep their own endings in a file that mixes them. New lines end as the line does in which they begin.
    pub(crate) fn replace(&self, at: usize, old: &[u8], new: &[u8]) -> Vec<u8> {
        let shorter = old.len().min(new.len());
        let prefix = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let suffix =
            old.iter().rev().zip(new.iter().rev()).take(shorter - prefix).take_while(|(old, new)| old == new).count();
        let (begin, end) = (at + prefix, at + old.len() - suffix);
        let mut result = self.original[..self.position(begin)].to_vec();
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
        result.extend_from_slice(&self.original[self.position(end)..]);
        result
    }

    /// Where a position of the normal form is in the original; that of a `\r\n` is its `\r`.
    fn position(&self, normal: usize) -> usize {
        normal + self.returns.partition_point(|place| *place < normal)
    }

    /// Whether the line at a position ends in `\r\n`; a last line without an ending takes after the one before.
    fn ends_with_return(&self, position: usize) -> bool {
        let after = self.normal.get(position..).unwrap_or_default();
        let newline = match memchr::memchr(b'\n', after) {
            Some(offset) => Some(position + offset),
            None => memchr::memrchr(b'\n', &self.normal),
        };
        newline.is_some_and(|newline| self.returns.binary_search(&newline).is_ok())
    }
}

/// Text from a model with `\n` endings only.
pub(crate) fn normalise(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n").into_bytes()
}
