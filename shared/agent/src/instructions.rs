//! Sends the model the instructions of a directory (`AGENTS.md`, `CLAUDE.md`) when it works there for the first time.

use domain::state::SessionState;
use domain::{Author, Conversation, EventBody, StepError, UserMessage, name_invisible};

use crate::context::Context;
use crate::workspace::{Workspace, WorkspaceError};

/// The instructions that apply to the paths in `touched` and were not sent before, as events.
pub(crate) async fn of_touched(
    context: &Context,
    workspace: &Workspace,
    touched: &[String],
) -> Result<Vec<EventBody>, WorkspaceError> {
    let unsent = unsent(context.log.state(), workspace, touched);
    if unsent.is_empty() {
        return Ok(Vec::new());
    }
    let mut bodies: Vec<EventBody> = Vec::new();
    for read in workspace.instructions(context, unsent).await.map_err(StepError::from)? {
        let text = format!(
            "You are working in {}. Follow the repository's instructions for it ({}):\n\n{}",
            read.directory,
            read.path,
            name_invisible(&read.text)
        );
        bodies.push(read.into());
        let message =
            UserMessage { conversation: Conversation::Main, author: Author::Instructions, text, answers: None };
        bodies.push(message.into());
    }
    Ok(bodies)
}

/// Whether there are instructions for the paths in `touched` that were not sent before.
pub(crate) fn are_due(context: &Context, workspace: &Workspace, touched: &[String]) -> bool {
    !unsent(context.log.state(), workspace, touched).is_empty()
}

/// The directories whose instructions apply to the paths in `touched` and were not sent before.
fn unsent(state: &SessionState, workspace: &Workspace, touched: &[String]) -> Vec<String> {
    let Some(surveyed) = &state.survey else { return Vec::new() };
    let prefix = format!("{}/", workspace.layout().workspace);
    let mut unsent: Vec<String> = Vec::new();
    for path in touched {
        let relative = path.strip_prefix(&prefix).unwrap_or(path);
        for directory in &surveyed.instruction_directories {
            let applies = relative == directory || relative.starts_with(&format!("{directory}/"));
            if applies && !state.instructions.contains(directory) && !unsent.contains(directory) {
                unsent.push(directory.clone());
            }
        }
    }
    unsent
}
