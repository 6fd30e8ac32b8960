//! The status of a run and the transitions between statuses.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Step, Verdict};

/// Status of a run, in the words that users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Admitted, or queued until its principal has a free slot. No step has started.
    Queued,
    /// A sandbox is created and the repository cloned into it.
    Preparing,
    /// The model makes the plan.
    Planning,
    /// The model and its tools work.
    Working,
    /// An outside system asked for a pause, such as a rate limit. The run resumes when the pause is over.
    Waiting,
    /// A person is asked; the run resumes with the answer, or at the deadline.
    AwaitingUser,
    /// The project's checks run on what is to be published.
    Verifying,
    /// Branch and pull request are written.
    Publishing,
    /// Terminal: the change is published.
    Done,
    /// Terminal: there was nothing to change.
    Nothing,
    /// Terminal: the plan was rejected.
    Rejected,
    /// Terminal: nobody answered before the deadline and there was nothing to publish, or the run was queued for too long.
    Expired,
    /// Terminal: cancelled.
    Cancelled,
    /// Terminal: failed, with a `session.error`.
    Failed,
}

impl Status {
    /// Every status, in the order in which a run meets them; the terminal ones last.
    pub const ALL: [Self; 14] = [
        Self::Queued,
        Self::Preparing,
        Self::Planning,
        Self::Working,
        Self::Waiting,
        Self::AwaitingUser,
        Self::Verifying,
        Self::Publishing,
        Self::Done,
        Self::Nothing,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Whether the run is over.
    pub fn is_terminal(self) -> bool {
        self.verdict().is_some()
    }

    /// Whether the run is over and did what was asked: its change is published, or there was nothing to change.
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
            | Self::Verifying
            | Self::Publishing => false,
        }
    }

    /// Whether a run may change from this status to `next`. The only place that decides it: [`SessionState::check`] refuses
    /// every event that does not follow it.
    ///
    /// An active run may change to almost any status: a lost sandbox sends it back to `preparing`, a rejected plan back to
    /// `planning`. It never returns to `queued`, and a terminal status never changes.
    ///
    /// [`SessionState::check`]: crate::state::SessionState::check
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (from, _) if from.is_terminal() => false,
            (_, Self::Queued) => false,
            // A run that has not started can neither publish nor find out that there is nothing to change.
            (Self::Queued, Self::Publishing | Self::Done | Self::Nothing) => false,
            // Without a model's reply there is neither a change nor the finding that none is needed.
            (Self::Preparing, Self::Done | Self::Nothing) => false,
            (from, to) => from != to,
        }
    }

    /// The status of a run while `step` runs; none for a step that leaves it as it is.
    pub fn during(step: Step) -> Option<Self> {
        match step {
            Step::Prepare => Some(Self::Preparing),
            Step::Plan => Some(Self::Planning),
            Step::GenerateTurn | Step::ExecuteTool => Some(Self::Working),
            Step::Verify => Some(Self::Verifying),
            Step::AwaitUser => Some(Self::AwaitingUser),
            Step::OpenPr => Some(Self::Publishing),
            Step::Finish => None,
        }
    }

    /// The verdict that ends a run in this status; none for a status that is not terminal.
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
            | Self::Verifying
            | Self::Publishing => None,
        }
    }

    /// The status in which `verdict` ends a run; none for a verdict that does not end one.
    pub fn ended_by(verdict: Verdict) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.verdict() == Some(verdict))
    }

    /// The name in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Planning => "planning",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::AwaitingUser => "awaiting_user",
            Self::Verifying => "verifying",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_statuses_are_listed_in_order_under_the_names_of_their_json() {
        for (index, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, index);
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }
}
