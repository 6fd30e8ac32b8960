//! The `kind` of public frames, for code that reads frames as JSON.
//!
//! Kinds of events are checked against [`EventBody::KINDS`] at compile time: renaming one there breaks the build here.

use domain::EventBody;

pub const SESSION_STATUS: &str = event("session.status");
pub const RUN_STARTED: &str = event("run.started");
pub const RUN_FINISHED: &str = event("run.finished");
pub const STEP_STARTED: &str = event("step.started");
pub const STEP_FINISHED: &str = event("step.finished");
pub const STEP_FAILED: &str = event("step.failed");
pub const SANDBOX_CREATED: &str = event("sandbox.created");
pub const SANDBOX_LOST: &str = event("sandbox.lost");
pub const CLONE_PROGRESS: &str = event("clone.progress");
pub const REPOSITORY_SURVEYED: &str = event("repository.surveyed");
pub const INSTRUCTIONS_READ: &str = event("instructions.read");
pub const PLAN_CREATED: &str = event("plan.created");
pub const WAIT_STARTED: &str = event("wait.started");
pub const WAIT_ENDED: &str = event("wait.ended");
pub const BUDGET_NEARING: &str = event("budget.nearing");
pub const BUDGET_EXHAUSTED: &str = event("budget.exhausted");
pub const MODEL_RETRYING: &str = event("model.retrying");
pub const AI_MESSAGE: &str = event("ai.message");
pub const AI_THINKING: &str = event("ai.thinking");
pub const TOOL_CALL: &str = event("tool.call");
pub const TOOL_RESULT: &str = event("tool.result");
pub const TODO_UPDATED: &str = event("todo.updated");
pub const FILE_CHANGED: &str = event("file.changed");
pub const AGENT_STUCK: &str = event("agent.stuck");
pub const CONTEXT_CHANGED: &str = event("context.changed");
pub const CHANGESET_COLLECTED: &str = event("changeset.collected");
pub const BRANCH_PUBLISHED: &str = event("branch.published");
pub const PR_OPENED: &str = event("pr.opened");
pub const PR_UPDATED: &str = event("pr.updated");
pub const SESSION_ERROR: &str = event("session.error");

/// First frame of a stream, not stored.
pub const STREAM_OPENED: &str = "stream.opened";
/// Last frame of a stream that ends before its session, not stored.
pub const RESUME: &str = "resume";
/// Live text, not stored.
pub const DELTA: &str = "delta";

/// Returns `kind` if it is the kind of an event.
const fn event(kind: &'static str) -> &'static str {
    let mut index = 0;
    while index < EventBody::KINDS.len() {
        if equal(EventBody::KINDS[index].as_bytes(), kind.as_bytes()) {
            return kind;
        }
        index += 1;
    }
    panic!("no event has this kind");
}

/// `==` of slices is not a constant function.
const fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}
