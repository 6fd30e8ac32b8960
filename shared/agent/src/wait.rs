//! Beginning to wait for a person.

use std::time::Duration;

use domain::{StepError, StepOutput, WaitReason, WaitStarted};

use crate::context::Context;

/// How long a person may take.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Writes what a person is asked and until when, and answers `await`.
pub(crate) async fn begin(context: &mut Context, reason: WaitReason) -> Result<StepOutput, StepError> {
    let deadline = context.common.clock.now() + PATIENCE;
    context.closing.push(WaitStarted { reason, deadline }.into());
    let seconds = u32::try_from(PATIENCE.as_secs()).unwrap_or(u32::MAX);
    Ok(StepOutput::await_user(seconds))
}
