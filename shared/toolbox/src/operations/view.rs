//! `view`: shows a file with line numbers, or lists a directory two levels deep.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::{RelativePath, below};
use crate::files::read_tracker;
use crate::files::root::{Found, Located, Root};
use crate::files::walk::{EntryKind, Hidden, Walk};
use crate::text::{cut, lines, magic};
use crate::worktree::filters;

/// Maximum size of a viewed file, in bytes.
const MAX_VIEWED_BYTES: u64 = 64 << 20;
/// Maximum lines in one answer.
const MAX_LINES: usize = 2_000;
/// Characters in one answer if the call sets no limit.
const DEFAULT_CHARACTERS: usize = 30_000;
/// Maximum that a call can set as its limit.
const MAX_CHARACTERS: usize = 200_000;
/// Maximum entries of a directory in one answer.
const MAX_ENTRIES: usize = 1_000;

/// Shows a file or lists a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Relative to the workspace, or absolute below it or below the stored outputs.
    pub path: String,
    /// First and last line, counted from 1. A last line of -1 means the end of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_range: Option<[i64; 2]>,
    /// Maximum characters in the answer: 30,000 by default, 200,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<usize>,
}

/// The file or directory as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewed {
    /// For the model.
    pub text: String,
    /// The path with symbolic links resolved, relative to the workspace or to the stored outputs.
    pub path: String,
    /// The number of lines in the file; none for a directory or a binary file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<usize>,
    /// Whether something was left out. Then `text` says how to see it.
    pub cut: bool,
}

pub(crate) fn view(root: &Root, outputs: Option<&Root>, state: &Path, call: &View) -> Result<Viewed, ToolError> {
    let outputs = outputs.filter(|outputs| below(&call.path, outputs.path()).is_some());
    let located = outputs.unwrap_or(root).locate(&call.path)?;
    match located.found {
        Found::File(_) => file(&located, outputs.is_none().then_some(state), call),
        Found::Directory if call.view_range.is_some() => {
            Err(ToolError::Invalid(format!("{} is a directory; view_range is only for files.", located.path)))
        }
        Found::Directory => Ok(directory(outputs.unwrap_or(root), &located.path, limit(call))),
        Found::Nothing => Err(ToolError::Missing {
            path: located.display_path(),
            advice: "Use glob to find a file by its name, or view the directory.",
        }),
        Found::Link | Found::Other => Err(ToolError::WrongType {
            path: located.display_path(),
            what: "a device, a socket or a pipe".to_owned(),
            advice: "It cannot be viewed.",
        }),
    }
}

fn limit(call: &View) -> usize {
    call.max_characters.unwrap_or(DEFAULT_CHARACTERS).min(MAX_CHARACTERS)
}

fn file(located: &Located, state: Option<&Path>, call: &View) -> Result<Viewed, ToolError> {
    let content = located.read(MAX_VIEWED_BYTES, "Search it with grep, or read part of it with a command.")?;
    let path = located.path.as_str().to_owned();
    if let Some(what) = magic::binary(&content) {
        let text = format!("{} is a binary file, {what}, {} bytes; it is not shown.", located.path, content.len());
        return Ok(Viewed { text, path, lines: None, cut: false });
    }
    let all = lines::with_endings(&content[lines::mark_length(&content)..]);
    let total = all.len();
    let (first, last) = range(call.view_range, total, &located.path)?;
    let mut text = String::new();
    let (mut characters, mut shown, mut has_invalid, mut has_cut_line) = (0, first - 1, false, false);
    for (index, line) in all.iter().enumerate().take(last).skip(first - 1) {
        let numbered = lines::numbered(index + 1, line);
        let length = numbered.text.chars().count();
        if index - (first - 1) >= MAX_LINES || (characters + length > limit(call) && shown >= first) {
            break;
        }
        has_cut_line |= numbered.is_cut;
        characters += length;
        has_invalid |= numbered.has_invalid;
        shown = index + 1;
        text.push_str(&numbered.text);
    }
    if let Some(state) = state {
        read_tracker::record_view(state, &located.path, &content, (first, shown), total)?;
    }
    if total == 0 {
        text = format!("{} is empty.", located.path);
    }
    if filters::is_lfs_pointer(&content) {
        text.push_str("[This is a Git LFS pointer: the content of the file is not here.]\n");
    }
    if has_invalid {
        text.push_str("[Not all of the file is UTF-8; the other bytes are shown as \\xNN.]\n");
    }
    let cut = shown < last;
    if cut {
        let next = shown + 1;
        text.push_str(&format!(
            "[Lines {first} to {shown} of {total}. See the rest with view_range [{next}, {last}].]\n"
        ));
    }
    Ok(Viewed { text, path, lines: Some(total), cut: cut || has_cut_line })
}

/// The first and last line to show, counted from 1. For an empty file they are 1 and 0.
fn range(requested: Option<[i64; 2]>, total: usize, path: &RelativePath) -> Result<(usize, usize), ToolError> {
    let Some([first, last]) = requested else { return Ok((1, total)) };
    let invalid = || {
        ToolError::Range(format!(
            "{path} has {}; view_range [{first}, {last}] is not within it. The first line is 1, and -1 as the second number means the end.",
            cut::counted(total, "line")
        ))
    };
    let begin = usize::try_from(first).ok().filter(|begin| (1..=total.max(1)).contains(begin)).ok_or_else(invalid)?;
    let end = match last {
        -1 => total,
        last => usize::try_from(last).ok().filter(|end| (begin..=total).contains(end)).ok_or_else(invalid)?,
    };
    Ok((begin, end))
}

fn directory(root: &Root, path: &RelativePath, limit: usize) -> Viewed {
    let walk = Walk { levels: Some(2), hidden: Hidden::LeaveOut };
    let mut text = format!("{path}, two levels deep, without hidden and ignored entries:\n");
    let mut characters = text.chars().count();
    let (mut listed, mut left_out) = (0, 0);
    for entry in walk.entries(root, path) {
        let line = match entry.kind {
            EntryKind::Directory => format!("         {}/\n", entry.path),
            EntryKind::Link => format!("    link {}\n", entry.path),
            EntryKind::File => format!("{:>8} {}\n", size(entry.bytes), entry.path),
        };
        characters += line.chars().count();
        if left_out > 0 || listed == MAX_ENTRIES || characters > limit {
            left_out += 1;
        } else {
            listed += 1;
            text.push_str(&line);
        }
    }
    if listed + left_out == 0 {
        text.push_str("(empty)\n");
    }
    if left_out > 0 {
        text.push_str(&format!("[{left_out} more entries. View a directory in it, or use glob.]\n"));
    }
    Viewed { text, path: path.as_str().to_owned(), lines: None, cut: left_out > 0 }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes;
    let mut unit = UNITS[0];
    for next in UNITS {
        unit = next;
        if value / 1024 < 1024 {
            break;
        }
        value /= 1024;
    }
    // One decimal, rounded down.
    format!("{}.{} {unit}", value / 1024, value % 1024 * 10 / 1024)
}
