//! Beginning to wait for a person.

use domain::{StepError, StepOutput, WaitReason, WaitStarted};

use crate::context::Context;

/// Writes what a person is asked and until when, and answers `await`.
pub(crate) async fn begin(context: &mut Context, reason: WaitReason) -> Result<StepOutput, StepError> {
    let answer_timeout = context.common.answer_timeout;
    let deadline = context.common.clock.now() + answer_timeout;
    context.closing.push(WaitStarted { reason, deadline }.into());
    let seconds = u32::try_from(answer_timeout.as_secs()).unwrap_or(u32::MAX);
    Ok(StepOutput::await_user(seconds))
}
