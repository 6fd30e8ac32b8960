//! The state of a session: a pure fold over the events of its log.
//!
//! Steps and commands decide by the state alone; the events themselves are read only to show them, to the model or to people.
//! The state is plain data. It is cloned for every append, to apply the new events before they are written, so its long parts
//! are shared ([`Arc`]) or of bounded length.

mod conversation;
mod entries;
mod fold;
mod leftovers;
mod recent_calls;
mod run;
mod verifying;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

pub use conversation::{CallState, ConversationState, ReplyState, TurnState};
pub use entries::{Delivery, EntryEnd, StepEntries};
pub use fold::{MAX_REFUSED_HOSTS, MAX_USER_TEXT_CHARACTERS};
pub use leftovers::Leftover;
pub use recent_calls::{RecentCall, RecentCalls};
pub use run::{OpenStep, RunState};
pub use verifying::{OpenCheck, OwnCommands, Verifying};

use crate::ports::SealedHandle;
use crate::{
    Approver, Attempt, BlobRef, BranchPublished, CallKey, CommandKeys, CommitId, Conversation, Decision, Event,
    EventBody, FileChangeKind, InstructionsRead, Plan, PlanId, PrOpened, RepositorySurveyed, RunNumber, SandboxId, Seq,
    Session, SetupFinished, Status, Todo, Verification, WaitStarted, WorkspaceCheckpoint,
};

/// An event that must not follow the log's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is not possible here: {reason}")]
pub struct IllegalEvent {
    pub kind: &'static str,
    pub reason: String,
}

/// The commit that the change is measured against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The forge's name of the repository (`owner/name`).
    pub repository: String,
    pub branch: String,
    /// None when the repository is empty.
    pub commit: Option<CommitId>,
}

/// The sandbox of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxState {
    pub id: SandboxId,
    #[serde(default)]
    pub handle: SealedHandle,
    pub stage: SandboxStage,
    /// The commit that was cloned into it.
    pub base: Option<Base>,
    /// Number of its network requests that are in the log.
    #[serde(default)]
    pub network_requests: u32,
    /// How far its set-up is; none before it starts.
    #[serde(default)]
    pub setup: Option<SetupStage>,
}

/// How far the set-up of the repository is in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetupStage {
    Started,
    Finished,
}

/// The latest set-up of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupState {
    pub command: String,
    /// None until it has ended.
    pub finished: Option<SetupFinished>,
}

/// The stage of a sandbox's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxStage {
    /// Its workspace is being prepared.
    Preparing,
    /// Its workspace may be used.
    Ready,
    /// It is about to be terminated, or was terminated before a crash could be recorded. No step uses it.
    Terminating { reason: String },
}

/// The latest plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanState {
    pub id: PlanId,
    pub content: Plan,
    /// None until it is approved.
    pub approved: Option<Approver>,
}

/// What the log of a session says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionState {
    /// The last event; 0 for an empty log.
    pub tail: Seq,
    /// None for an empty log.
    pub session: Option<Arc<Session>>,
    /// Whether the session is being deleted. Nothing may be appended any more.
    pub deleted: bool,
    /// The keys of the latest commands.
    pub commands: CommandKeys,
    /// Oldest first.
    pub runs: Vec<RunState>,
    pub survey: Option<RepositorySurveyed>,
    /// Directories whose instructions the main conversation contains; `.` is the whole repository.
    pub instructions: BTreeSet<String>,
    /// The instructions for the whole repository.
    pub root_instructions: Vec<Arc<InstructionsRead>>,
    /// The latest plan.
    pub plan: Option<PlanState>,
    /// The current sandbox; none once it is lost or terminated.
    pub sandbox: Option<SandboxState>,
    /// Sandboxes that no step uses any more and that are not terminated yet, oldest first.
    pub leftovers: VecDeque<Leftover>,
    /// The latest set-up of the repository.
    #[serde(default)]
    pub setup: Option<SetupState>,
    /// Hosts that were refused to commands, each once and at most [`MAX_REFUSED_HOSTS`] of them.
    #[serde(default)]
    pub refused_hosts: Vec<String>,
    /// Sandboxes that were lost since something was last done in one.
    #[serde(default)]
    pub losses_in_a_row: u32,
    /// Number of sandboxes that the session has had.
    pub sandboxes: u32,
    /// The commit that was cloned last.
    pub base: Option<Base>,
    /// Paths that tools wrote by name and that are not published yet.
    #[serde(default)]
    pub written: Arc<BTreeSet<String>>,
    /// The latest checkpoint that is not published yet.
    pub checkpoint: Option<WorkspaceCheckpoint>,
    /// The conversation that makes the plan.
    pub planning: ConversationState,
    /// The conversation that does the work.
    pub main: ConversationState,
    /// The model's context window in tokens, as its service last stated it in a refusal. It may be smaller than the known one.
    pub window_tokens: Option<u64>,
    /// The model's to-do list.
    pub todo: Vec<Todo>,
    /// Decisions that the model recorded while it worked; those of the plan are in the plan.
    pub decisions: Arc<Vec<Decision>>,
    /// Files that differ from the base, as of the latest checkpoint.
    pub changed_files: Arc<BTreeMap<String, FileChangeKind>>,
    /// What a person is asked for; none when the session does not wait for one.
    pub wait: Option<WaitStarted>,
    /// The branch that pull requests are to be merged into: the one that was cloned first.
    pub target_branch: Option<String>,
    /// The branch with the published change.
    pub branch: Option<BranchPublished>,
    /// The base commit of the first published change. None when nothing is published, `Some(None)` when the repository was
    /// empty.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub published_from: Option<Option<CommitId>>,
    pub pull_request: Option<PrOpened>,
    /// The new head of the base branch, when it moved in a way that conflicts with the change: the next base.
    pub rebase_onto: Option<CommitId>,
    /// The last message of a person.
    pub last_user_message: Option<Seq>,
    /// Messages of people, oldest first: at least the last [`MAX_USER_TEXT_CHARACTERS`] of them.
    pub user_texts: VecDeque<UserText>,
}

/// A message of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserText {
    pub seq: Seq,
    /// Redacted.
    pub text: Arc<str>,
    /// Whether it answers a question of the model, which then reads it as the result of the call that asked.
    pub answers: bool,
}

impl UserText {
    fn characters(&self) -> usize {
        self.text.chars().count()
    }
}

impl SessionState {
    /// Folds the events of a log, from its first one on.
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

    /// The run with this number.
    pub fn run_number(&self, run: RunNumber) -> Option<&RunState> {
        self.runs.iter().find(|candidate| candidate.number == run)
    }

    pub fn conversation(&self, conversation: Conversation) -> &ConversationState {
        match conversation {
            Conversation::Plan => &self.planning,
            Conversation::Main => &self.main,
        }
    }

    /// Checks that `body` may be appended in `run`. Kinds that are not named here are legal as long as their run is not over.
    /// After its end only its sandboxes are terminated.
    ///
    /// # Errors
    /// With the reason, when the event would create a session twice, start a run out of order, write to a run that is over or to a
    /// session that is deleted, or change the status in a way that [`Status::may_become`] does not allow.
    pub fn check(&self, run: RunNumber, body: &EventBody) -> Result<(), IllegalEvent> {
        let illegal = |reason: String| Err(IllegalEvent { kind: body.kind(), reason });
        if self.deleted {
            return illegal("the session is deleted".to_owned());
        }
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
        if let EventBody::SessionDeleted(_) = body {
            return match self.run().filter(|last| !last.status.is_terminal()) {
                Some(active) => illegal(format!("run {} is not over", active.number)),
                None => Ok(()),
            };
        }
        let Some(current) = self.run_number(run) else {
            return illegal(format!("there is no run {run}"));
        };
        let terminates = matches!(body, EventBody::SandboxTerminating(_) | EventBody::SandboxTerminated(_));
        if current.status.is_terminal() && !terminates {
            return illegal(format!("run {run} is {}", current.status));
        }
        if let EventBody::SessionStatus(changed) = body {
            if changed.status.is_terminal() {
                return illegal("only run.finished ends a run".to_owned());
            }
            return check_status(body, current.status, changed.status);
        }
        if let EventBody::RunFinished(finished) = body {
            if !finished.status.is_terminal() {
                return illegal(format!("{} is not a terminal status", finished.status));
            }
            return check_status(body, current.status, finished.status);
        }
        Ok(())
    }

    /// Whether the latest plan is approved.
    pub fn has_approved_plan(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.approved.is_some())
    }

    /// The checkpoint with the latest change, published or not.
    pub fn latest_change(&self) -> Option<&BlobRef> {
        let published =
            || self.runs.iter().rev().find_map(|run| run.changeset.as_ref()).map(|changeset| &changeset.blob);
        self.checkpoint.as_ref().map(|checkpoint| &checkpoint.blob).or_else(published)
    }

    /// The last call to the model that has ended, with a reply or without one. It may be attempt 0 of a turn, which stands for
    /// every call of the turns before.
    pub fn last_ended_call(&self) -> Option<CallKey> {
        let conversation = if self.main.last_turn.is_some() { Conversation::Main } else { Conversation::Plan };
        let last = self.conversation(conversation).last_turn.as_ref()?;
        let call = CallKey { conversation, turn: last.turn, attempt: Attempt(last.attempts) };
        // However a call ends, its price is settled with it.
        let is_open = self.run().is_some_and(|run| run.budget.is_reserved(call));
        let attempt = Attempt(last.attempts.saturating_sub(u32::from(is_open)));
        Some(CallKey { attempt, ..call })
    }

    /// Whether the last reply ended the work, and nobody has written to the model since.
    pub fn work_has_ended(&self) -> bool {
        let last = self.main.reply_to_last_turn();
        let has_ended = last.is_some_and(|reply| reply.calls.is_empty() && reply.stop.ends_work());
        has_ended && !self.main.has_unseen_messages()
    }

    /// The verification of exactly what is to be published now; none when there is no such change, or it is not verified.
    pub fn verification(&self) -> Option<&Verification> {
        let checkpoint = self.checkpoint.as_ref()?;
        let base = self.base.as_ref().and_then(|base| base.commit.as_ref());
        self.run()?.verifying.last.as_ref().filter(|last| last.is_of(base, &checkpoint.digest))
    }

    /// The status of the latest run.
    pub fn status(&self) -> Option<Status> {
        self.run().map(|run| run.status)
    }
}

/// Reads a field that is left out when it is none, so that `null` is a value of its own.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<CommitId>>, D::Error> {
    Option::<CommitId>::deserialize(deserializer).map(Some)
}

fn check_status(body: &EventBody, from: Status, to: Status) -> Result<(), IllegalEvent> {
    if from.may_become(to) {
        return Ok(());
    }
    Err(IllegalEvent { kind: body.kind(), reason: format!("a run cannot change from {from} to {to}") })
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
            command: None,
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
    fn losses_of_sandboxes_are_counted_until_something_is_done() {
        let mut state = SessionState::default();
        let lose = |state: &mut SessionState, number: u32| {
            let sandbox: SandboxId = format!("s-1-{number}").parse().unwrap();
            let (provider, network, handle) = ("local".to_owned(), String::new(), SealedHandle::default());
            add(state, crate::SandboxCreated { sandbox: sandbox.clone(), provider, reduced: None, network, handle });
            add(state, crate::SandboxLost { sandbox, reason: String::new() });
            state.losses_in_a_row
        };
        assert_eq!([1, 2, 3].map(|number| lose(&mut state, number)), [1, 2, 3]);
        turn(&mut state);
        assert_eq!([4, 5].map(|number| lose(&mut state, number)), [1, 2]);
    }

    #[test]
    fn after_the_end_of_a_run_only_its_sandboxes_are_terminated() {
        let mut state = SessionState::default();
        let root_span_id = "0123456789abcdef".parse().unwrap();
        add(&mut state, RunStarted { root_span_id, limits: crate::Limits::default(), queued: None });
        let (sandbox, provider, network): (SandboxId, _, _) =
            ("s-1-1".parse().unwrap(), "local".to_owned(), String::new());
        let (status, summary, totals) = (Status::Failed, String::new(), crate::Totals::default());
        let created = crate::SandboxCreated {
            sandbox: sandbox.clone(),
            provider,
            reduced: None,
            network,
            handle: SealedHandle::default(),
        };
        add(&mut state, created);
        add(
            &mut state,
            crate::RunFinished { status, summary, pr_url: None, branch: None, left_out: Vec::new(), totals },
        );
        assert!(state.sandbox.is_none() && state.leftover(&sandbox).is_some_and(|left| !left.is_terminating));
        let reason = String::new;
        let terminating = crate::SandboxTerminating { sandbox: sandbox.clone(), reason: reason() };
        let terminated = crate::SandboxTerminated { sandbox: sandbox.clone(), reason: reason() };
        let lost = crate::SandboxLost { sandbox: sandbox.clone(), reason: reason() };
        let allowed = |state: &SessionState, body: EventBody| state.check(RunNumber(1), &body).is_ok();
        assert!(allowed(&state, terminating.clone().into()) && allowed(&state, terminated.clone().into()));
        assert!(!allowed(&state, lost.into()));
        add(&mut state, terminating);
        assert!(state.leftover(&sandbox).is_some_and(|left| left.is_terminating));
        add(&mut state, terminated);
        assert_eq!(state.leftovers.len(), 0);
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
