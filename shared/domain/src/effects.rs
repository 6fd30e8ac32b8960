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
//! | sandbox terminated | `sandbox.terminating` | `sandbox.terminated` | its id, which is used once ([`terminate_sandbox`], [`terminate_leftovers`]) |
//! | commit and branch | `publish.started` | `branch.published` | the branch and the commit's parent |
//! | pull request | `branch.published`, `step.started` | `pr.opened`, `pr.updated` | its head branch |
//! | waiting task completed | `wait.ended` | the record without its token | its token, which is accepted once |
//! | commands killed | `session.cancel_requested` | the end of the step | their exec ids |
//!
//! The sandbox is terminated after the last event of its run: a provider that is down must not keep a run from ending.
//!
//! Where `step.started` is the intent, a step that was replaced may still act. That is harmless, because it does the same as
//! the newer attempt: the same key leads to the same sandbox and the same pull request.

use crate::ports::{SandboxError, Sandboxes};
use crate::state::{Leftover, SandboxStage};
use crate::{
    Dependency, SandboxId, SandboxTerminated, SandboxTerminating, SessionLog, SessionLogError, Unavailable, error_chain,
};

/// Why a leftover is terminated.
const RUN_OVER: &str = "the run is over";

/// Terminates the sandbox that the session's run uses, if it has one.
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
    terminate(sandboxes, &id).await?;
    log.append(vec![SandboxTerminated { sandbox: id, reason }.into()]).await
}

/// Terminates the sandboxes that no run uses any more. Called after the last event of a run, which it must neither delay nor
/// change: a failure is logged, the leftovers stay in the state and in the session's summary
/// ([`sandbox_left`](crate::ports::SessionSummary::sandbox_left)), and `reconcile` calls this again.
pub async fn terminate_leftovers(log: &mut SessionLog, sandboxes: &dyn Sandboxes) {
    for leftover in log.state().leftovers.clone() {
        let sandbox = leftover.id.clone();
        if let Err(error) = terminate_leftover(log, sandboxes, leftover).await {
            tracing::warn!(session_id = %log.session_id(), %sandbox, error = error_chain(&error), "a sandbox is left");
        }
    }
}

async fn terminate_leftover(
    log: &mut SessionLog,
    sandboxes: &dyn Sandboxes,
    Leftover { id, .. }: Leftover,
) -> Result<(), SessionLogError> {
    // Nothing is written for a sandbox that somebody else terminates meanwhile.
    log.decide_after_end(|state| {
        let unannounced = state.leftover(&id).filter(|leftover| !leftover.is_terminating);
        let event = |_| SandboxTerminating { sandbox: id.clone(), reason: RUN_OVER.to_owned() }.into();
        unannounced.map(event).into_iter().collect()
    })
    .await?;
    terminate(sandboxes, &id).await?;
    log.decide_after_end(|state| {
        let event = |_| SandboxTerminated { sandbox: id.clone(), reason: RUN_OVER.to_owned() }.into();
        state.leftover(&id).map(event).into_iter().collect()
    })
    .await
}

/// Nothing else terminates a sandbox.
async fn terminate(sandboxes: &dyn Sandboxes, id: &SandboxId) -> Result<(), Unavailable> {
    match sandboxes.terminate(id).await {
        // A sandbox that is gone already needs no termination.
        Ok(()) | Err(SandboxError::Lost(_)) => Ok(()),
        Err(SandboxError::Unavailable(unavailable)) => Err(unavailable),
        Err(SandboxError::Impossible(message)) => Err(Unavailable::new(Dependency::Sandboxes, message)),
    }
}
