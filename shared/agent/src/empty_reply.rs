//! Replies without a text and without a tool call, although nothing was changed yet.
//!
//! Such a reply does not mean that the work is done. Gateways and current models give one now and then; asked once more, the
//! model usually answers. After work was done an empty reply ends it like any other.

use domain::state::SessionState;
use domain::{Author, ContentBlock, Conversation, ErrorCode, ModelReply, StepError, UserMessage};

const ASK_AGAIN: &str = "Your reply was empty: it has neither text nor a tool call. Work on the task with the tools. If there is \
                         nothing to change, say so and why.";

/// What follows an empty reply.
pub(crate) enum EmptyReply {
    AskAgain(UserMessage),
    GiveUp(StepError),
}

/// None for a reply that says something, and after work that can be published.
pub(crate) fn judge(state: &SessionState, reply: &ModelReply) -> Option<EmptyReply> {
    if !is_empty(reply) || !state.changed_files.is_empty() {
        return None;
    }
    if state.main.empty_replies > 0 {
        let message = "the model gave an empty reply, was asked again, and gave another one; nothing was changed";
        return Some(EmptyReply::GiveUp(StepError::terminal(ErrorCode::ModelGaveNoAnswer, message)));
    }
    let (conversation, author, text) = (Conversation::Main, Author::Nudge, ASK_AGAIN.to_owned());
    Some(EmptyReply::AskAgain(UserMessage { conversation, author, text, answers: None }))
}

/// Blocks of other types are no answer either: a server-side tool's result is followed by text.
fn is_empty(reply: &ModelReply) -> bool {
    let says_something = |block: &ContentBlock| match block {
        ContentBlock::Text { text } => !text.trim().is_empty(),
        ContentBlock::ToolUse { .. } => true,
        ContentBlock::Thinking { .. } | ContentBlock::Other => false,
    };
    reply.stop.ends_work() && !reply.content.iter().any(says_something)
}
