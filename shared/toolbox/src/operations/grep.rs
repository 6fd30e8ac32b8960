//! `grep`: finds the lines that match a regular expression, with ripgrep's libraries.

use std::fmt::Write;
use std::io;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkFinish, SinkMatch};
use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::pattern::Pattern;
use crate::files::root::{Found, Root};
use crate::files::walk::{EntryKind, Hidden, Walk};
use crate::text::{cut, lines};

/// Matches (or files, in the other modes) in one answer if the call sets no limit.
const DEFAULT_LIMIT: usize = 100;
/// Maximum that a call can set as its limit.
const MAX_LIMIT: usize = 1_000;
/// Maximum characters of one shown line.
const MAX_LINE: usize = 500;
/// Maximum characters of the whole answer.
const MAX_CHARACTERS: usize = 30_000;
/// Maximum lines of context before and after a match.
const MAX_CONTEXT: usize = 20;
/// Maximum size of a searched file, in bytes.
const MAX_SEARCHED_BYTES: u64 = 64 << 20;
/// Maximum memory of a compiled pattern, and of its cache, in bytes. A larger pattern is refused.
const MAX_PATTERN_BYTES: usize = 4 << 20;
/// Maximum nesting of groups in a pattern.
const MAX_NESTING: u32 = 100;
/// Maximum characters of the message about a malformed pattern, which quotes the pattern.
const MAX_ERROR_CHARACTERS: usize = 2_000;

/// Searches files line by line, except ignored files, binary files and `.git`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grep {
    /// A regular expression in Rust's syntax.
    pub pattern: String,
    /// A file or directory; the workspace by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Restricts the search to files whose path matches, as in `glob`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    #[serde(default)]
    pub ignore_case: bool,
    /// Lines shown before and after each match, at most 20.
    #[serde(default)]
    pub context: usize,
    #[serde(default)]
    pub mode: GrepMode,
    /// Maximum matches, or files in the other modes: 100 by default, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What `grep` shows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrepMode {
    /// The matching lines, as `path:line:text`.
    #[default]
    Content,
    /// The files with a match.
    Files,
    /// The files with a match, and the number of matching lines in each.
    Count,
}

/// The matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grepped {
    /// For the model.
    pub text: String,
    /// The number of matching lines that are shown or counted.
    pub matches: usize,
    /// The number of files with a match that are shown or counted.
    pub files: usize,
    /// Whether the search stopped at a limit.
    pub cut: bool,
}

pub(crate) fn grep(root: &Root, call: &Grep) -> Result<Grepped, ToolError> {
    let matcher = compile(call)?;
    let glob = call.glob.as_deref().map(|glob| Pattern::parse(glob, root)).transpose()?;
    let target = root.locate(call.path.as_deref().unwrap_or("."))?;
    let mut search = Search::new(call);
    match target.found {
        Found::File(_) => search.file(root, &matcher, &target.path)?,
        Found::Directory => {
            let walk = Walk { levels: None, hidden: Hidden::Show };
            for entry in walk.entries(root, &target.path) {
                let is_searched = glob.as_ref().is_none_or(|glob| glob.matches(&entry.path, &target.path));
                if entry.kind == EntryKind::File && entry.bytes > MAX_SEARCHED_BYTES && is_searched {
                    search.too_large += 1;
                } else if entry.kind == EntryKind::File && is_searched {
                    // A file that was deleted meanwhile or cannot be read must not end the search.
                    let searched = search.file(root, &matcher, &entry.path);
                    search.unreadable += usize::from(searched.is_err());
                }
                if search.cut {
                    break;
                }
            }
        }
        Found::Nothing => {
            let advice = "Leave path out to search the whole workspace.";
            return Err(ToolError::Missing { path: target.display_path(), advice });
        }
        Found::Link | Found::Other => {
            let what = "not a file or directory".to_owned();
            return Err(ToolError::WrongType { path: target.display_path(), what, advice: "It cannot be searched." });
        }
    }
    Ok(search.finish(call))
}

fn compile(call: &Grep) -> Result<RegexMatcher, ToolError> {
    RegexMatcherBuilder::new()
        .case_insensitive(call.ignore_case)
        .multi_line(true)
        .line_terminator(Some(b'\n'))
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .nest_limit(MAX_NESTING)
        .build(&call.pattern)
        .map_err(|error| {
            ToolError::Invalid(format!(
                "The pattern is not a regular expression that can be searched for (Rust syntax, one line at a time; escape literal braces and brackets):\n{}",
                cut::line(&error.to_string(), MAX_ERROR_CHARACTERS)
            ))
        })
}

/// A search over several files.
struct Search {
    searcher: Searcher,
    mode: GrepMode,
    limit: usize,
    text: String,
    characters: usize,
    matches: usize,
    files: usize,
    cut: bool,
    too_large: usize,
    unreadable: usize,
}

impl Search {
    fn new(call: &Grep) -> Self {
        let context = call.context.min(MAX_CONTEXT);
        let searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .line_number(true)
            .before_context(context)
            .after_context(context)
            .build();
        let limit = call.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let (mode, text) = (call.mode, String::new());
        Self {
            searcher,
            mode,
            limit,
            text,
            characters: 0,
            matches: 0,
            files: 0,
            cut: false,
            too_large: 0,
            unreadable: 0,
        }
    }

    fn file(&mut self, root: &Root, matcher: &RegexMatcher, path: &RelativePath) -> Result<(), ToolError> {
        let content = root.locate_exact(path)?.read(MAX_SEARCHED_BYTES, "It is too large to be searched.")?;
        let limit = match self.mode {
            GrepMode::Content => self.limit - self.matches,
            GrepMode::Files => 1,
            GrepMode::Count => usize::MAX,
        };
        let mut lines =
            Lines { path, mode: self.mode, limit, text: String::new(), matches: 0, binary: false, cut: false };
        self.searcher
            .search_slice(matcher, &content, &mut lines)
            .map_err(ToolError::io("searching", path.to_string()))?;
        if lines.binary {
            return Ok(());
        }
        self.cut |= lines.cut;
        if lines.matches == 0 {
            return Ok(());
        }
        if self.mode != GrepMode::Content && self.files == self.limit {
            self.cut = true;
            return Ok(());
        }
        let found = match self.mode {
            GrepMode::Content => lines.text,
            GrepMode::Files => format!("{path}\n"),
            GrepMode::Count => format!("{path}:{}\n", lines.matches),
        };
        self.cut |= self.append(&found);
        self.files += 1;
        self.matches += lines.matches;
        Ok(())
    }

    /// Appends whole lines until the answer is full, and returns whether some were left out.
    fn append(&mut self, found: &str) -> bool {
        if !self.text.is_empty() && self.searcher.after_context() > 0 && self.mode == GrepMode::Content {
            self.text.push_str("--\n");
        }
        for line in found.split_inclusive('\n') {
            self.characters += line.chars().count();
            if self.characters > MAX_CHARACTERS {
                return true;
            }
            self.text.push_str(line);
        }
        false
    }

    fn finish(mut self, call: &Grep) -> Grepped {
        if self.text.is_empty() {
            self.text = "No match.".to_owned();
            if call.path.is_none() {
                self.text.push_str(" Ignored and binary files are not searched.");
            }
            self.text.push('\n');
        }
        if self.cut {
            self.text.push_str("[There are more. Narrow the pattern, give a path or glob, or raise the limit.]\n");
        }
        if self.too_large > 0 {
            let files = cut::counted(self.too_large, "file");
            self.text.push_str(&format!("[{files} over {} MiB not searched.]\n", MAX_SEARCHED_BYTES >> 20));
        }
        if self.unreadable > 0 {
            self.text.push_str(&format!("[{} could not be read.]\n", cut::counted(self.unreadable, "file")));
        }
        Grepped { text: self.text, matches: self.matches, files: self.files, cut: self.cut }
    }
}

/// Collects the matches of one file.
struct Lines<'a> {
    path: &'a RelativePath,
    mode: GrepMode,
    /// Maximum matches to collect.
    limit: usize,
    text: String,
    matches: usize,
    binary: bool,
    cut: bool,
}

impl Lines<'_> {
    fn push(&mut self, separator: char, number: Option<u64>, line: &[u8]) -> io::Result<()> {
        let (line, _) = cut::decode(lines::without_ending(line));
        let (number, line) = (number.unwrap_or_default(), cut::line(&line, MAX_LINE));
        writeln!(self.text, "{}{separator}{number}{separator}{line}", self.path).map_err(io::Error::other)
    }
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        if self.matches == self.limit {
            // Only this mode shows every match. In `Files` mode one match is enough, so nothing was left out.
            self.cut = self.mode == GrepMode::Content;
            return Ok(false);
        }
        self.matches += 1;
        if self.mode == GrepMode::Content {
            self.push(':', found.line_number(), found.bytes())?;
        }
        Ok(true)
    }

    fn context(&mut self, _searcher: &Searcher, context: &SinkContext<'_>) -> Result<bool, io::Error> {
        if self.mode == GrepMode::Content {
            self.push('-', context.line_number(), context.bytes())?;
        }
        Ok(true)
    }

    fn context_break(&mut self, _searcher: &Searcher) -> Result<bool, io::Error> {
        if self.mode == GrepMode::Content {
            self.text.push_str("--\n");
        }
        Ok(true)
    }

    fn finish(&mut self, _searcher: &Searcher, finish: &SinkFinish) -> Result<(), io::Error> {
        self.binary = finish.binary_byte_offset().is_some();
        Ok(())
    }
}
