//! What a log says, put together: a pure fold over events.
//!
//! Steps decide by the state alone; the events themselves are read only to show them, to the model or to people. The state
//! is plain data, and it is copied for every write to the log: what is long in it is shared ([`Arc`]) or of bounded length.

mod conversation;
mod fold;
mod recent_calls;
mod run;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use conversation::{CallState, ConversationState, ReplyState, TurnState};
pub use fold::MAX_USER_TEXT_CHARACTERS;
pub use recent_calls::{RecentCall, RecentCalls};
pub use run::{OpenStep, RunState};

use crate::{
    Approver, BlobRef, BranchPublished, CommitId, Conversation, Decision, Event, EventBody, FileChangeKind,
    InstructionsRead, Layout, Plan, PlanId, PrOpened, RepositorySurveyed, RunNumber, SandboxId, Seq, Session, Status,
    Todo, WaitStarted, WorkspaceCheckpoint,
};

/// An event that must not follow what the log already says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is not possible here: {reason}")]
pub struct IllegalEvent {
    /// The kind of the event.
    pub kind: &'static str,
    /// Why not.
    pub reason: String,
}

/// The commit that a change is measured against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The forge's name of the repository.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit; none when the repository is empty.
    pub commit: Option<CommitId>,
}

/// The sandbox of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxState {
    /// Its id.
    pub id: SandboxId,
    /// Where things are inside.
    pub layout: Layout,
    pub stage: SandboxStage,
    /// The commit that was cloned into it.
    pub base: Option<Base>,
}

/// How far a sandbox is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxStage {
    /// Its workspace is being prepared.
    Preparing,
    /// Its workspace may be used.
    Ready,
    /// It is about to be terminated, or was already.
    Terminating { reason: String },
}

/// The plan that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanState {
    /// Its name.
    pub id: PlanId,
    /// What it says.
    pub content: Plan,
    /// Who approved it, if anybody.
    pub approved: Option<Approver>,
}

/// A session as its log tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionState {
    /// The last event.
    pub tail: Seq,
    /// What is fixed about the session.
    pub session: Option<Arc<Session>>,
    /// Its runs, oldest first.
    pub runs: Vec<RunState>,
    /// What was found in the repository.
    pub survey: Option<RepositorySurveyed>,
    /// Directories whose instructions were read.
    pub instructions: BTreeSet<String>,
    /// The instructions of the whole repository.
    pub root_instructions: Vec<Arc<InstructionsRead>>,
    /// The plan that counts.
    pub plan: Option<PlanState>,
    /// The sandbox, unless it is gone.
    pub sandbox: Option<SandboxState>,
    /// How many sandboxes the session has had.
    pub sandboxes: u32,
    /// The commit that the change is measured against.
    pub base: Option<Base>,
    /// The latest checkpoint.
    pub checkpoint: Option<WorkspaceCheckpoint>,
    /// The plan's conversation.
    pub planning: ConversationState,
    /// The conversation that does the work.
    pub main: ConversationState,
    /// The model's to-do list.
    pub todo: Vec<Todo>,
    /// Decisions that the model stated while it worked.
    pub decisions: Vec<Decision>,
    /// Files that differ from the base, as far as checkpoints told.
    pub changed_files: Arc<BTreeMap<String, FileChangeKind>>,
    /// What a person is asked at the moment.
    pub wait: Option<WaitStarted>,
    /// The branch that pull requests are for: the one that was cloned first.
    pub target_branch: Option<String>,
    /// The branch with the change.
    pub branch: Option<BranchPublished>,
    /// The commit that the first published change was measured against; the outer none when nothing is published.
    pub published_from: Option<Option<CommitId>>,
    /// The pull request.
    pub pull_request: Option<PrOpened>,
    /// Whether the base branch had moved in a conflicting way: the commit to go on from.
    pub rebase_onto: Option<CommitId>,
    /// The last message of a person that is meant for a run.
    pub last_user_message: Option<Seq>,
    /// What people said, oldest first: the last [`MAX_USER_TEXT_CHARACTERS`] of it at least.
    pub user_texts: VecDeque<UserText>,
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserText {
    pub seq: Seq,
    /// With secrets masked.
    pub text: Arc<str>,
    /// Whether it answers a question: then it reached the model as the result of that call.
    pub answers: bool,
}

impl UserText {
    fn characters(&self) -> usize {
        self.text.chars().count()
    }
}

impl SessionState {
    /// What a log says.
    pub fn of(events: &[Event]) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// The latest run.
    pub fn run(&self) -> Option<&RunState> {
        self.runs.last()
    }

    /// A run by its number.
    pub fn run_number(&self, run: RunNumber) -> Option<&RunState> {
        self.runs.iter().find(|candidate| candidate.number == run)
    }

    /// One of the two conversations.
    pub fn conversation(&self, conversation: Conversation) -> &ConversationState {
        match conversation {
            Conversation::Plan => &self.planning,
            Conversation::Main => &self.main,
        }
    }

    /// Whether `body` may follow in `run`. What is not named here may be written as long as its run is not over.
    pub fn check(&self, run: RunNumber, body: &EventBody) -> Result<(), IllegalEvent> {
        let illegal = |reason: String| Err(IllegalEvent { kind: body.kind(), reason });
        if let EventBody::SessionCreated(_) = body {
            return if self.session.is_some() { illegal("the session exists".to_owned()) } else { Ok(()) };
        }
        if let EventBody::RunStarted(_) = body {
            if let Some(last) = self.run().filter(|last| !last.status.is_terminal()) {
                return illegal(format!("run {} is not over", last.number));
            }
            let next = self.run().map_or(RunNumber(1), |last| last.number.next());
            return if run == next { Ok(()) } else { illegal(format!("{run} is not the number of the next run")) };
        }
        let Some(current) = self.run_number(run) else {
            return illegal(format!("there is no run {run}"));
        };
        if current.status.is_terminal() {
            return illegal(format!("run {run} is {}", current.status));
        }
        if let EventBody::SessionStatus(changed) = body {
            if changed.status.is_terminal() {
                return illegal("only run.finished ends a run".to_owned());
            }
            return check_move(body, current.status, changed.status);
        }
        if let EventBody::RunFinished(finished) = body {
            if !finished.status.is_terminal() {
                return illegal(format!("{} ends no run", finished.status));
            }
            return check_move(body, current.status, finished.status);
        }
        Ok(())
    }

    /// Whether there is a plan, and it may be carried out.
    pub fn has_approved_plan(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.approved.is_some())
    }

    /// Where the latest change is kept, published or not.
    pub fn latest_change(&self) -> Option<&BlobRef> {
        let published =
            || self.runs.iter().rev().find_map(|run| run.changeset.as_ref()).map(|changeset| &changeset.blob);
        self.checkpoint.as_ref().map(|checkpoint| &checkpoint.blob).or_else(published)
    }

    /// The status of the latest run.
    pub fn status(&self) -> Option<Status> {
        self.run().map(|run| run.status)
    }
}

fn check_move(body: &EventBody, from: Status, to: Status) -> Result<(), IllegalEvent> {
    if from.may_become(to) {
        return Ok(());
    }
    Err(IllegalEvent { kind: body.kind(), reason: format!("a run does not go from {from} to {to}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Author, CallKey, ModelReplied, RunStarted, ToolCall, ToolOutcome, ToolResult, TurnStarted, UserMessage,
    };

    fn add(state: &mut SessionState, body: impl Into<EventBody>) {
        state.apply(&Event {
            seq: state.tail.next(),
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
            run: RunNumber(1),
            writer: None,
            trace_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            span_id: "0123456789abcdef".parse().unwrap(),
            body: body.into(),
        });
    }

    /// One turn with one call, and its result.
    fn turn(state: &mut SessionState) {
        let (turn, attempt) = state.main.next_call();
        let call = CallKey { conversation: Conversation::Main, turn, attempt };
        add(state, TurnStarted { call, up_to: state.tail, model: String::new(), max_tokens: 1 });
        let (stop, usage, cost) = (crate::StopReason::ToolUse, crate::Usage::default(), crate::MicroDollars(0));
        add(state, ModelReplied { call, reply: "{}".into(), stop, usage, cost });
        let (id, tool): (crate::CallId, _) = (format!("call-{turn}").parse().unwrap(), "bash".to_owned());
        add(
            state,
            ToolCall {
                turn,
                call: id.clone(),
                tool: tool.clone(),
                title: None,
                input: serde_json::json!("x".repeat(1000)),
            },
        );
        add(state, ToolResult::without_run(turn, id, tool, ToolOutcome::Ok, "done"));
    }

    #[test]
    fn the_state_does_not_grow_with_the_log() {
        let mut state = SessionState::default();
        let root_span_id = "0123456789abcdef".parse().unwrap();
        add(&mut state, RunStarted { root_span_id, limits: crate::Limits::default(), queued: None });
        for _ in 0..300 {
            let text = "x".repeat(MAX_USER_TEXT_CHARACTERS / 100);
            add(
                &mut state,
                UserMessage { conversation: Conversation::Main, author: Author::User, text, answers: None },
            );
            turn(&mut state);
        }
        assert_eq!(state.user_texts.len(), 100, "just as much as is retained at least");
        (0..100).for_each(|_| turn(&mut state));
        let recent = &state.run().unwrap().recent_calls;
        assert_eq!(recent.calls.len(), RecentCalls::MAX);
        let size = format!("{:?}", SessionState { user_texts: VecDeque::new(), ..state.clone() }).len();
        (0..100).for_each(|_| turn(&mut state));
        let later = format!("{:?}", SessionState { user_texts: VecDeque::new(), ..state }).len();
        assert!(later < size + 200, "{size} bytes have become {later}");
    }
}
