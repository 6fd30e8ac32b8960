//! The calls of a reply that have no result yet.

use domain::ports::load_text;
use domain::state::ReplyState;
use domain::{ContentBlock, StepError, StopReason, transcript};

use super::ExecuteTool;
use crate::context::{Context, internal};
use crate::tool_call::{CallStart, OpenCall};
use crate::tools::parse_call;
use crate::workspace::Workspace;

impl ExecuteTool {
    /// Reads the open calls from the stored reply. The events hold their input only as viewers see it: redacted and shortened.
    pub(super) async fn open_calls(
        &self,
        context: &Context,
        workspace: &Workspace,
        reply: &ReplyState,
    ) -> Result<Vec<OpenCall>, StepError> {
        let is_of_earlier_run = reply.run != context.input.run;
        let text = load_text(self.blobs.as_ref(), context.log.session_id(), &reply.message).await?;
        let blocks = transcript::reply_blocks(&text).map_err(internal)?;
        let last = blocks.len().saturating_sub(1);
        // Each call of the reply has an event, which holds its id, in the order of the reply.
        let mut states = reply.calls.iter();
        let mut open = Vec::new();
        for (index, block) in blocks.into_iter().enumerate() {
            let ContentBlock::ToolUse { name, input, .. } = block else { continue };
            let Some(state) = states.next() else { break };
            if state.outcome.is_some() {
                continue;
            }
            let tool = if reply.stop == StopReason::MaxTokens && index == last {
                Err("This call was not run: it was cut off because the reply reached the length limit. Write it in smaller \
                     pieces."
                    .to_owned())
            } else if is_of_earlier_run && state.started_in.is_none() {
                // The user's messages since that run may have made the call wrong.
                Err("This call was not run because its run ended first. Decide again whether it is needed.".to_owned())
            } else {
                parse_call(&name, &input).map_err(|failure| failure.0)
            };
            let start = match &state.started_in {
                None => CallStart::NotStarted,
                Some(sandbox) if *sandbox == workspace.id => CallStart::StartedHere,
                Some(_) => CallStart::StartedElsewhere,
            };
            open.push(OpenCall { turn: reply.call.turn, id: state.id.clone(), name, tool, start });
        }
        Ok(open)
    }
}
