//! The order of every outside effect: its intent in the log, the effect, its result in the log.
//!
//! The intent comes first because its append is the fence: a step that was replaced meanwhile cannot write it, and so does
//! not act. It also tells whoever goes on after a crash what may have happened. The result comes last because it may only say
//! what is true. So every effect has to bear being repeated: a crash before the result leads to it again.
//!
//! | effect | intent | result | found again by |
//! |---|---|---|---|
//! | call to the model | `budget.reserved`, `turn.started` | `model.replied`, `model.retrying` | not at all: it is made again, and both count as spent |
//! | tool call | `tool.started` | `tool.result` | its exec id, which is started once |
//! | sandbox created | `step.started` | `sandbox.created` | its generation in the run |
//! | clone | `sandbox.created` | `git.operation` | its exec id |
//! | sandbox terminated | `sandbox.terminating` | `sandbox.terminated` | its id, which is used once ([`terminate_sandbox`]) |
//! | commit and branch | `publish.started` | `branch.published` | the branch and the commit it follows |
//! | pull request | `branch.published`, `step.started` | `pr.opened`, `pr.updated` | its head branch |
//! | end of a task that waits | `wait.ended` | the record without its token | its token, which counts once |
//! | commands killed | `session.cancel_requested` | the end of the step | their exec ids |
//!
//! Where `step.started` is the intent, a step that was replaced may still act, and does what the newer attempt does as well:
//! the same key leads to the same sandbox and the same pull request.

use crate::ports::{SandboxError, Sandboxes};
use crate::state::SandboxStage;
use crate::{Dependency, SandboxTerminated, SandboxTerminating, SessionLog, SessionLogError, Unavailable};

/// Terminates the session's sandbox, if it has one. The only way to do so.
///
/// A crash in between leaves a sandbox of which the log says that it is going, which no step uses and the next one that
/// needs a sandbox, or ends the run, terminates again.
pub async fn terminate_sandbox(
    log: &mut SessionLog,
    sandboxes: &dyn Sandboxes,
    reason: &str,
) -> Result<(), SessionLogError> {
    let Some(sandbox) = log.state().sandbox.clone() else { return Ok(()) };
    let id = sandbox.id;
    let reason = match sandbox.stage {
        // An earlier attempt came this far.
        SandboxStage::Terminating { reason } => reason,
        SandboxStage::Preparing | SandboxStage::Ready => {
            let terminating = SandboxTerminating { sandbox: id.clone(), reason: reason.to_owned() };
            log.append(vec![terminating.into()]).await?;
            reason.to_owned()
        }
    };
    match sandboxes.terminate(&id).await {
        // One that is gone by itself is what was wanted.
        Ok(()) | Err(SandboxError::Lost(_)) => {}
        Err(SandboxError::Unavailable(unavailable)) => return Err(unavailable.into()),
        Err(SandboxError::Impossible(message)) => {
            return Err(Unavailable::new(Dependency::Sandboxes, message).into());
        }
    }
    log.append(vec![SandboxTerminated { sandbox: id, reason }.into()]).await
}
