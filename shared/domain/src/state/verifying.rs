//! How far the checks of a run are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::text::{one_line, shorten};
use crate::{CheckFinished, CheckStarted, CheckSubject, SandboxId, ToolKind, ToolResult, Verification};

/// Maximum commands of the model that are remembered.
const MAX_COMMANDS: usize = 8;

const MAX_COMMAND_CHARACTERS: usize = 120;

/// The checks of a run: the last round that is complete, and the one that is not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Verifying {
    /// The last complete round.
    pub last: Option<Verification>,
    /// Of the round after it, in the order in which they were started.
    open: Vec<OpenCheck>,
}

/// A check of a round that is not complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenCheck {
    check: u32,
    subject: CheckSubject,
    /// Where it was started.
    pub sandbox: SandboxId,
    /// None until it has ended.
    pub finished: Option<CheckFinished>,
}

impl Verifying {
    /// The round that is next, or under way.
    pub fn round(&self) -> u32 {
        self.last.as_ref().map_or(0, |last| last.round) + 1
    }

    /// A check of the round under way; none before it is started.
    pub fn open(&self, check: u32, subject: CheckSubject) -> Option<&OpenCheck> {
        self.open.iter().find(|open| (open.check, open.subject) == (check, subject))
    }

    /// Whether a check of the round under way was started.
    pub fn has_begun(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether a check of the round under way was started in this sandbox and has not ended, as far as is known.
    pub fn is_running_in(&self, sandbox: &SandboxId) -> bool {
        self.open.iter().any(|open| open.sandbox == *sandbox && open.finished.is_none())
    }

    pub(super) fn started(&mut self, started: &CheckStarted) {
        if started.round == self.round() && self.open(started.check, started.subject).is_none() {
            let CheckStarted { check, subject, sandbox, .. } = started.clone();
            self.open.push(OpenCheck { check, subject, sandbox, finished: None });
        }
    }

    pub(super) fn finished(&mut self, finished: &CheckFinished) {
        let is_it = |open: &&mut OpenCheck| (open.check, open.subject) == (finished.check, finished.subject);
        if let Some(open) = self.open.iter_mut().find(is_it).filter(|open| open.finished.is_none()) {
            open.finished = Some(finished.clone());
        }
    }

    pub(super) fn recorded(&mut self, verification: &Verification) {
        self.last = Some(verification.clone());
        self.open.clear();
    }
}

/// Commands that the model has run: evidence of its own, which proves nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OwnCommands {
    /// Of all of them.
    pub count: u32,
    /// The last ones, oldest first, each on one line and with its exit code.
    pub last: VecDeque<(String, Option<i32>)>,
}

impl OwnCommands {
    pub(super) fn answered(&mut self, result: &ToolResult) {
        let Some(command) = result.view["command"].as_str().filter(|_| result.tool_kind == ToolKind::Bash) else {
            return;
        };
        self.count += 1;
        self.last.push_back((shorten(&one_line(command), MAX_COMMAND_CHARACTERS).into_owned(), result.exit_code));
        if self.last.len() > MAX_COMMANDS {
            self.last.pop_front();
        }
    }
}
