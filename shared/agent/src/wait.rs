//! Beginning to wait for a person.

use domain::{StepError, StepOutput, WaitReason, WaitStarted};

use crate::context::Context;

/// Writes what a person is asked and until when, and answers `await`.
pub(crate) async fn begin(context: &mut Context, reason: WaitReason) -> Result<StepOutput, StepError> {
    let patience = context.common.patience;
    let deadline = context.common.clock.now() + patience;
    context.closing.push(WaitStarted { reason, deadline }.into());
    let seconds = u32::try_from(patience.as_secs()).unwrap_or(u32::MAX);
    Ok(StepOutput::await_user(seconds))
}
