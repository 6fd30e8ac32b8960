//! The state of one run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::ports::elapsed;
use crate::{
    Attempt, BudgetLimit, ChangesetCollected, Conversation, ErrorCode, Event, Limits, MAX_ANSWERS_WITHOUT_PROGRESS,
    ModelReplied, ModelRetrying, PublishStarted, RetryCause, RunFinished, RunNumber, RunStarted, Seq,
    SessionCancelRequested, SpanId, Status, Step, StepFailed, StepFinished, StepStarted, ToolResult, Totals,
    TurnNumber, Usage, Verdict, Verification, WaitOutcome, Writer,
};

use super::{OwnCommands, RecentCall, RecentCalls, StepEntries, Verifying};

/// An invocation of a step that has not ended, as far as the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStep {
    pub step: Step,
    /// Which invocation.
    pub attempt: Attempt,
    pub started: Timestamp,
    /// When it last appended an event. A step that was cut off is charged as active until then.
    pub last: Timestamp,
}

/// One run of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    pub number: RunNumber,
    pub started: Timestamp,
    /// The `run.started` event.
    pub started_seq: Seq,
    pub root_span: SpanId,
    pub status: Status,
    /// When it was queued: for what it waited, in a sentence.
    pub queued: Option<String>,
    pub budget: Budget,
    pub open_step: Option<OpenStep>,
    /// The last `step.started`; 0 before the first. Every step that started before it is stale.
    pub last_step_started: Seq,
    /// The step that answered last.
    pub last_step_finished: Option<Step>,
    /// Number of invocations of each step.
    pub invocations: BTreeMap<Step, u32>,
    /// Answers of steps since the run last got anywhere: a reply of the model, the result of a call, a wait, a message of a
    /// person, a clone.
    #[serde(default)]
    pub answers_without_progress: u32,
    /// Tells duplicate and late invocations from new ones; empty once the run is over.
    pub entries: StepEntries,
    /// The latest request to cancel it.
    pub cancel: Option<SessionCancelRequested>,
    /// Whether a person rejected its plan without a message, which ends it.
    pub rejected: bool,
    /// How its last wait ended, until a step resumes from there. None while it waits.
    pub wait_outcome: Option<WaitOutcome>,
    /// The last terminal error of a step.
    pub failure: Option<(ErrorCode, String)>,
    /// The error that ends it, while what is stored of its work is published.
    pub failing: Option<(ErrorCode, String)>,
    /// Whether a conversation that the service refused was replaced by a new one.
    pub replaced_conversation: bool,
    /// Tokens of all calls.
    pub usage: Usage,
    /// Length of the main conversation at the last call, in tokens.
    pub context_tokens: u64,
    /// Tool calls that have a result.
    pub tool_calls: u32,
    /// For loop detection; empty once the run is over.
    pub recent_calls: RecentCalls,
    /// The project's checks, which we run.
    pub verifying: Verifying,
    /// That of the collected change, if exactly this change was verified.
    pub verification: Option<Verification>,
    /// How often the model was told of checks that its change has broken.
    pub told_of_checks: u32,
    /// How often the model was told of written files that would not be published.
    pub told_of_left_out: u32,
    /// The commands that the model ran itself.
    pub own_commands: OwnCommands,
    /// Why the workspace could not be read after the last calls. The checkpoint lacks what they wrote.
    pub checkpoint_failed: Option<String>,
    /// The change that was collected for publication.
    pub changeset: Option<ChangesetCollected>,
    /// The publication that was started, and when. The time becomes the commit's date, so that a second attempt writes the
    /// same commit.
    pub publishing: Option<(PublishStarted, Timestamp)>,
    /// How often the base branch moved in a conflicting way.
    pub base_moves: u32,
    /// Limits that the model was warned about, each with the limits at that time: an extension may lead to another warning.
    pub nearing: Vec<(BudgetLimit, Limits)>,
    /// Whether this run published a branch.
    pub published: bool,
    /// The last turn that has a reply.
    pub last_turn: TurnNumber,
    /// None until the run is over.
    pub finished: Option<RunFinished>,
}

impl RunState {
    pub(super) fn new(event: &Event, started: &RunStarted) -> Self {
        Self {
            number: event.run,
            started: event.at,
            started_seq: event.seq,
            root_span: started.root_span_id.clone(),
            status: Status::Queued,
            queued: started.queued.clone(),
            budget: Budget::new(started.limits),
            open_step: None,
            last_step_started: Seq(0),
            last_step_finished: None,
            invocations: BTreeMap::new(),
            answers_without_progress: 0,
            entries: StepEntries::default(),
            cancel: None,
            rejected: false,
            wait_outcome: None,
            failure: None,
            failing: None,
            replaced_conversation: false,
            usage: Usage::default(),
            context_tokens: 0,
            tool_calls: 0,
            recent_calls: RecentCalls::default(),
            verifying: Verifying::default(),
            verification: None,
            told_of_checks: 0,
            told_of_left_out: 0,
            own_commands: OwnCommands::default(),
            checkpoint_failed: None,
            changeset: None,
            publishing: None,
            base_moves: 0,
            nearing: Vec::new(),
            published: false,
            last_turn: TurnNumber(0),
            finished: None,
        }
    }

    /// Number of invocations of all steps.
    pub fn step_count(&self) -> u32 {
        self.invocations.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether its steps follow one another without getting anywhere.
    pub fn is_stalled(&self) -> bool {
        self.answers_without_progress >= MAX_ANSWERS_WITHOUT_PROGRESS
    }

    /// What the run has used and changed so far.
    pub fn totals(&self) -> Totals {
        let changeset = self.changeset.as_ref();
        Totals {
            turns: self.budget.turns(),
            tool_calls: self.tool_calls,
            cost: self.budget.spent(),
            active_ms: u64::try_from(self.budget.active().as_millis()).unwrap_or(u64::MAX),
            input_tokens: self.usage.context_tokens(),
            output_tokens: self.usage.output_tokens,
            files: changeset.map_or(0, |changeset| changeset.files),
            additions: changeset.map_or(0, |changeset| changeset.additions),
            deletions: changeset.map_or(0, |changeset| changeset.deletions),
            last_turn: self.last_turn,
        }
    }

    pub(super) fn wrote(&mut self, writer: Writer, at: Timestamp) {
        if let Some(open) = &mut self.open_step
            && (open.step, open.attempt) == (writer.step, writer.attempt)
        {
            open.last = at;
        }
    }

    pub(super) fn step_started(&mut self, event: &Event, started: &StepStarted) {
        self.close_step();
        self.last_step_started = event.seq;
        *self.invocations.entry(started.step).or_default() += 1;
        self.entries.started(event.seq, event.at, started);
        self.open_step =
            Some(OpenStep { step: started.step, attempt: started.attempt, started: event.at, last: event.at });
        match started.step {
            // These two read the outcome of the wait.
            Step::AwaitUser | Step::OpenPr => {}
            Step::Prepare | Step::Plan | Step::GenerateTurn | Step::ExecuteTool | Step::Verify | Step::Finish => {
                self.wait_outcome = None;
            }
        }
    }

    pub(super) fn progressed(&mut self) {
        self.answers_without_progress = 0;
    }

    pub(super) fn step_finished(&mut self, finished: &StepFinished) {
        self.close_step();
        self.answers_without_progress = self.answers_without_progress.saturating_add(1);
        // A wait has a bound of its own: the service or the forge says how long.
        if finished.verdict == Verdict::Wait {
            self.progressed();
        }
        self.entries.finished(finished);
        self.last_step_finished = Some(finished.step);
    }

    pub(super) fn step_failed(&mut self, failed: &StepFailed) {
        if let Some(code) = failed.code {
            self.failure = Some((code, failed.message.clone()));
        }
        self.entries.failed(failed);
        self.close_step();
    }

    pub(super) fn retrying(&mut self, retrying: &ModelRetrying) {
        self.replaced_conversation |= retrying.cause == RetryCause::Refused;
    }

    pub(super) fn replied(&mut self, replied: &ModelReplied) {
        self.progressed();
        self.usage.input_tokens += replied.usage.input_tokens;
        self.usage.cache_read_tokens += replied.usage.cache_read_tokens;
        self.usage.cache_write_tokens += replied.usage.cache_write_tokens;
        self.usage.output_tokens += replied.usage.output_tokens;
        match replied.call.conversation {
            Conversation::Plan => {}
            Conversation::Main => {
                self.context_tokens = replied.usage.context_tokens() + replied.usage.output_tokens;
                self.budget.count_turn();
                self.last_turn = replied.call.turn;
            }
        }
    }

    pub(super) fn tool_answered(&mut self, result: &ToolResult, call: Option<RecentCall>) {
        self.tool_calls += 1;
        if call.is_some() {
            self.progressed();
        }
        self.recent_calls.push(call);
        self.own_commands.answered(result);
    }

    pub(super) fn base_moved(&mut self) {
        self.base_moves += 1;
        self.publishing = None;
        self.changeset = None;
        self.verification = None;
    }

    pub(super) fn finish(&mut self, finished: &RunFinished) {
        self.close_step();
        self.status = finished.status;
        self.finished = Some(finished.clone());
        self.recent_calls.clear();
        self.entries = StepEntries::default();
    }

    fn close_step(&mut self) {
        let Some(open) = self.open_step.take() else { return };
        match open.step {
            // Waiting for a person does not count as active time.
            Step::AwaitUser => {}
            Step::Prepare
            | Step::Plan
            | Step::GenerateTurn
            | Step::ExecuteTool
            | Step::Verify
            | Step::OpenPr
            | Step::Finish => {
                // Until its last event, not until now: a step that was cut off may have ended long before it is replaced.
                self.budget.add_active(elapsed(open.started, open.last));
            }
        }
    }
}
