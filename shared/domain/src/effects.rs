//! The order of every outside effect: its intent in the log, the effect, its result in the log.
//!
//! The intent comes first because its append is the fence: a step that was replaced meanwhile cannot write it, and so does
//! not act. It also tells the step that resumes after a crash what may have happened. The result comes last because it must
//! only record what is true. A crash between effect and result leads to the effect a second time, so every effect has to be
//! repeatable:
//!
//! | effect | intent | result | a second attempt finds it by |
//! |---|---|---|---|
//! | call to the model | `budget.reserved`, `turn.started` | `model.replied`, `model.retrying` | nothing: the call is made again, and both count as spent |
//! | tool call | `tool.started` | `tool.result` | its exec id, which is started once |
//! | sandbox created | `step.started` | `sandbox.created` | its generation in the run |
//! | clone | `sandbox.created` | `git.operation` | its exec id |
//! | sandbox terminated | `sandbox.terminating` | `sandbox.terminated` | its id, which is used once ([`terminate_sandbox`]) |
//! | commit and branch | `publish.started` | `branch.published` | the branch and the commit's parent |
//! | pull request | `branch.published`, `step.started` | `pr.opened`, `pr.updated` | its head branch |
//! | waiting task completed | `wait.ended` | the record without its token | its token, which is accepted once |
//! | commands killed | `session.cancel_requested` | the end of the step | their exec ids |
//!
//! Where `step.started` is the intent, a step that was replaced may still act. That is harmless, because it does the same as
//! the newer attempt: the same key leads to the same sandbox and the same pull request.

use crate::ports::{SandboxError, Sandboxes};
use crate::state::SandboxStage;
use crate::{Dependency, SandboxTerminated, SandboxTerminating, SessionLog, SessionLogError, Unavailable};

/// Terminates the session's sandbox, if it has one. Nothing else terminates one.
///
/// After a crash in between, the log says that the sandbox is terminating. No step uses it; the next step that needs a
/// sandbox or ends the run calls this again.
///
/// # Errors
/// [`SessionLogError::Stale`] before anything was done, when the caller was replaced; otherwise a retryable error.
pub async fn terminate_sandbox(
    log: &mut SessionLog,
    sandboxes: &dyn Sandboxes,
    reason: &str,
) -> Result<(), SessionLogError> {
    let Some(sandbox) = log.state().sandbox.clone() else { return Ok(()) };
    let id = sandbox.id;
    let reason = match sandbox.stage {
        // An earlier attempt recorded its intent.
        SandboxStage::Terminating { reason } => reason,
        SandboxStage::Preparing | SandboxStage::Ready => {
            let terminating = SandboxTerminating { sandbox: id.clone(), reason: reason.to_owned() };
            log.append(vec![terminating.into()]).await?;
            reason.to_owned()
        }
    };
    match sandboxes.terminate(&id).await {
        // A sandbox that is gone already needs no termination.
        Ok(()) | Err(SandboxError::Lost(_)) => {}
        Err(SandboxError::Unavailable(unavailable)) => return Err(unavailable.into()),
        Err(SandboxError::Impossible(message)) => {
            return Err(Unavailable::new(Dependency::Sandboxes, message).into());
        }
    }
    log.append(vec![SandboxTerminated { sandbox: id, reason }.into()]).await
}
