//! The states of a run and the moves between them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Step, Verdict};

/// Where a run stands, in the words users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted, not begun.
    Queued,
    /// The sandbox is made and the repository cloned.
    Preparing,
    /// The plan is made.
    Planning,
    /// The model and its tools are at work.
    Working,
    /// Something outside makes it wait (a rate limit); it goes on by itself.
    Waiting,
    /// It goes on when a person answers.
    AwaitingUser,
    /// Branch and pull request are written.
    Publishing,
    /// Ended: the change is published.
    Done,
    /// Ended: there was nothing to change.
    Nothing,
    /// Ended: the plan was rejected.
    Rejected,
    /// Ended: nobody answered in time.
    Expired,
    /// Ended: cancelled.
    Cancelled,
    /// Ended: failed.
    Failed,
}

impl Status {
    /// Whether the run is over.
    pub fn is_terminal(self) -> bool {
        self.verdict().is_some()
    }

    /// Whether the run is over and came to the end that was asked for: its change is published, or there was nothing to
    /// change.
    pub fn is_success(self) -> bool {
        match self {
            Self::Done | Self::Nothing => true,
            Self::Rejected | Self::Expired | Self::Cancelled | Self::Failed => false,
            Self::Queued
            | Self::Preparing
            | Self::Planning
            | Self::Working
            | Self::Waiting
            | Self::AwaitingUser
            | Self::Publishing => false,
        }
    }

    /// Whether a run may move from this status to `next`. This is the one place that says so.
    ///
    /// A run at work may be anywhere next: a lost sandbox sends it back to `preparing`, a rejected plan back to
    /// `planning`. It never returns to `queued`, and an end is an end.
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (from, _) if from.is_terminal() => false,
            (_, Self::Queued) => false,
            // What has not begun has nothing to publish and cannot have made an empty change.
            (Self::Queued, Self::Publishing | Self::Done | Self::Nothing) => false,
            // Nothing is published before the model has worked, but a `planning` run may have nothing to do.
            (Self::Preparing, Self::Done | Self::Nothing) => false,
            (from, to) => from != to,
        }
    }

    /// The status that a step's being at work means; none for those that leave it as it is.
    pub fn during(step: Step) -> Option<Self> {
        match step {
            Step::Prepare => Some(Self::Preparing),
            Step::Plan => Some(Self::Planning),
            Step::GenerateTurn | Step::ExecuteTool => Some(Self::Working),
            Step::AwaitUser => Some(Self::AwaitingUser),
            Step::OpenPr => Some(Self::Publishing),
            Step::Finish => None,
        }
    }

    /// The verdict that ends a run in this status; none for a status that is no end.
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Done => Some(Verdict::Done),
            Self::Nothing => Some(Verdict::Nothing),
            Self::Rejected => Some(Verdict::Rejected),
            Self::Expired => Some(Verdict::Expired),
            Self::Cancelled => Some(Verdict::Cancelled),
            Self::Failed => Some(Verdict::Failed),
            Self::Queued
            | Self::Preparing
            | Self::Planning
            | Self::Working
            | Self::Waiting
            | Self::AwaitingUser
            | Self::Publishing => None,
        }
    }

    /// The status in which a verdict ends a run.
    pub fn ended_by(verdict: Verdict) -> Option<Self> {
        [Self::Done, Self::Nothing, Self::Rejected, Self::Expired, Self::Cancelled, Self::Failed]
            .into_iter()
            .find(|status| status.verdict() == Some(verdict))
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Planning => "planning",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::AwaitingUser => "awaiting_user",
            Self::Publishing => "publishing",
            Self::Done => "done",
            Self::Nothing => "nothing",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
