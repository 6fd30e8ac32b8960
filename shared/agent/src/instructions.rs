//! Instructions of directories, handed on when something in them is touched.

use domain::{Author, Conversation, EventBody, StepError, UserMessage, name_invisible};

use crate::context::Context;
use crate::workspace::{Workspace, WorkspaceError};

/// The events that hand on the instructions of the directories above `touched` that were not handed on before.
pub(crate) async fn of_touched(
    context: &Context,
    workspace: &Workspace,
    touched: &[String],
) -> Result<Vec<EventBody>, WorkspaceError> {
    let state = context.log.state();
    let Some(surveyed) = &state.survey else { return Ok(Vec::new()) };
    let prefix = format!("{}/", workspace.layout.workspace);
    let mut due: Vec<String> = Vec::new();
    for path in touched {
        let inside = path.strip_prefix(&prefix).unwrap_or(path);
        for directory in &surveyed.instruction_directories {
            let below = inside == directory || inside.starts_with(&format!("{directory}/"));
            if below && !state.instructions.contains(directory) && !due.contains(directory) {
                due.push(directory.clone());
            }
        }
    }
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let mut bodies: Vec<EventBody> = Vec::new();
    for read in workspace.instructions(context, due).await.map_err(StepError::from)? {
        let text = format!(
            "You touched {}. The repository's instructions for it ({}):\n\n{}",
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
