//! Why a run fails, from what the workflow caught and what the log says.

use domain::text::shorten;
use domain::{ErrorCode, Terminal, WorkflowState};

use crate::context::Context;

/// The failure that a run ends with: the first one. What failed afterwards, while its work was published, is in the log too.
pub(crate) fn of_run(context: &Context) -> Terminal {
    let run = context.log.state().run_number(context.input.run);
    let recorded = run.and_then(|run| run.failing.clone().or_else(|| run.failure.clone()));
    if let Some((code, message)) = recorded {
        return Terminal { code, message };
    }
    let WorkflowState { error, .. } = context.input.state.clone().unwrap_or_default();
    match error {
        Some(caught) => {
            let cause = context.common.redactor.redact(caught.message().as_ref()).into_owned();
            Terminal::new(ErrorCode::Internal, format!("{}: {}", caught.error, shorten(&cause, 1000)))
        }
        None => Terminal::new(ErrorCode::Internal, "the workflow ended without a verdict that ends a run"),
    }
}
