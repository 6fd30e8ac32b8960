//! Compaction: opens a new conversation when the old one is long or fills the model's window.
//!
//! What was sent to the model is never changed, because current models sign their thinking over everything before it. So the
//! old conversation stays as it is, and a new one opens with what is needed of it.
//!
//! The model writes a note about the state of the work for the new conversation. The note is requested as the last message
//! of the old conversation because only that call has all of it as context, with the same prefix as the calls before.
//! Without a note, because the window is full already or the reply has no text, a recap from the log takes its place.

use domain::ports::ModelLimits;
use domain::state::{ConversationState, SessionState};
use domain::text::shorten;
use domain::{
    Author, ContentBlock, ContextChanged, Conversation, ErrorCode, EventBody, ModelReply, Seq, StepError, StopReason,
    TurnNumber, UserMessage,
};

use crate::briefing;
use crate::context::Context;
use crate::recap;

const REQUEST: &str = include_str!("prompts/compaction.md");

/// Percentage of the model's context window that a conversation may fill. The rest is for one more turn and for the note.
const MAX_WINDOW_PERCENT: u64 = 60;

/// Minimum replies before a conversation is compacted for its length. Fewer mean that its opening alone is long, and
/// a new one would be as long.
const MIN_REPLIES: u32 = 5;

/// Minimum replies before a conversation that was compacted once may be compacted again because its window is full. Fewer
/// are not enough progress to pay for another conversation.
const MIN_REPLIES_WHEN_FULL: u32 = 3;

/// Maximum compactions in a session.
const MAX_COMPACTIONS: u32 = 20;

const MAX_NOTE_CHARACTERS: usize = 30_000;

/// The reason for a compaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The conversation has reached the length at which it is compacted.
    Length,
    /// The conversation no longer fits the model's window.
    WindowFull,
    /// The model's service refused the conversation.
    Refused,
}

/// Whether the next call is the one that asks for the note.
pub(crate) fn is_due(state: &SessionState, limits: ModelLimits) -> bool {
    let main = &state.main;
    if main.awaits_compaction_note() {
        return true;
    }
    let Some(session) = &state.session else { return false };
    let window = state.window_tokens.map_or(limits.context_tokens, |stated| stated.min(limits.context_tokens));
    let max_tokens = session.setup.context_tokens.min(window / 100 * MAX_WINDOW_PERCENT);
    main.compactions < MAX_COMPACTIONS
        && main.replies_since_compaction >= MIN_REPLIES
        && expected_tokens(main) > max_tokens
}

/// Appends the request for the note, unless an earlier attempt did.
pub(crate) async fn request(context: &mut Context) -> Result<(), StepError> {
    if context.log.state().main.awaits_compaction_note() {
        return Ok(());
    }
    let text = REQUEST.trim().to_owned();
    let request = UserMessage { conversation: Conversation::Main, author: Author::Compaction, text, answers: None };
    Ok(context.log.append(vec![request.into()]).await?)
}

/// The events that open the new conversation after the reply to the request for the note.
pub(crate) fn after_note(context: &Context, reply: &ModelReply) -> Result<Vec<EventBody>, StepError> {
    let state = context.log.state();
    let turn = state.main.last_turn.as_ref().map(|turn| (turn.turn.next(), turn.up_to)).unwrap_or_default();
    let tokens = reply.usage.context_tokens() + reply.usage.output_tokens;
    restart(context, Cause::Length, turn, tokens, note(reply))
}

/// The events that open a new conversation because the old one fills the window: after `reply`, which filled it, or instead
/// of the call that the service refused as too long.
///
/// # Errors
/// `ContextExhausted` when the conversation was opened only a few replies ago, since another one would fill up as well.
pub(crate) fn when_full(context: &Context, reply: Option<&ModelReply>) -> Result<Vec<EventBody>, StepError> {
    let main = &context.log.state().main;
    let replies = main.replies_since_compaction + u32::from(reply.is_some());
    let min_replies = if main.compactions == 0 { 1 } else { MIN_REPLIES_WHEN_FULL };
    if replies < min_replies || main.compactions >= MAX_COMPACTIONS {
        let message = match main.compactions {
            0 => "the task and the facts about the repository do not fit the model's window".to_owned(),
            times => format!(
                "the conversation fills the model's window again after {replies} replies; it was compacted {times} times \
                 before"
            ),
        };
        return Err(StepError::terminal(ErrorCode::ContextExhausted, message));
    }
    let last = main.last_turn.as_ref().map(|turn| (turn.turn, turn.up_to)).unwrap_or_default();
    match reply {
        Some(reply) => {
            let tokens = reply.usage.context_tokens() + reply.usage.output_tokens;
            restart(context, Cause::WindowFull, (last.0.next(), last.1), tokens, None)
        }
        None => restart(context, Cause::WindowFull, (last.0, main.seen_up_to()), expected_tokens(main), None),
    }
}

/// Opens a new conversation when the service has refused the old one, in this run or in the one before: sent again, it would be
/// refused again, whatever the user has added to it.
pub(crate) async fn replace_refused(context: &mut Context) -> Result<(), StepError> {
    let state = context.log.state();
    let main = &state.main;
    if !main.refused {
        return Ok(());
    }
    // The messages up to here are in the old conversation only: in its replies' turns, or, if there are none, in its opening,
    // which has those that were sent while the plan was made.
    let covered = main.seen_up_to().max(state.planning.last_message);
    let (begins, _) = main.next_call();
    let bodies = restart(context, Cause::Refused, (begins, covered), expected_tokens(main), None)?;
    Ok(context.log.append(bodies).await?)
}

/// Records the compaction and opens the new conversation at turn `begins`, with the user's messages up to `covered`.
fn restart(
    context: &Context,
    cause: Cause,
    (begins, covered): (TurnNumber, Seq),
    tokens_before: u64,
    note: Option<String>,
) -> Result<Vec<EventBody>, StepError> {
    let state = context.log.state();
    let cause = match cause {
        Cause::Length => "it had become long",
        Cause::WindowFull => "it no longer fitted the model's window",
        Cause::Refused => "the model's service refused it",
    };
    let (note, source) = match note {
        Some(note) => (note, "with a note by the model"),
        None => (recap::written(context.log.recap()), "with a recap from the log, since there is no note by the model"),
    };
    let text = briefing::after_compaction(state, covered, &note)?;
    let text = context.common.redactor.redact(&text).into_owned();
    let setup = &context.session()?.setup;
    let bytes = (text.len() + setup.system.len() + setup.tools.as_str().len()) as u64;
    let changed = ContextChanged {
        reason: format!("{cause}; the new one opens {source}"),
        tokens_before,
        tokens_after: tokens_of(bytes),
        begins,
    };
    let opening = UserMessage { conversation: Conversation::Main, author: Author::Brief, text, answers: None };
    Ok(vec![changed.into(), opening.into()])
}

/// The note in a reply. None when the model refused or the reply has no text.
fn note(reply: &ModelReply) -> Option<String> {
    if reply.stop == StopReason::Refusal {
        return None;
    }
    let texts = reply.content.iter().filter_map(|block| match block {
        ContentBlock::Text { text } => Some(text.trim()),
        ContentBlock::Thinking { .. } | ContentBlock::ToolUse { .. } | ContentBlock::Other => None,
    });
    let text = texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
    (!text.is_empty()).then(|| shorten(&text, MAX_NOTE_CHARACTERS).into_owned())
}

/// Estimated length of the conversation at the next call: as the service counted it last, plus what was added since.
pub(crate) fn expected_tokens(conversation: &ConversationState) -> u64 {
    conversation.context_tokens + tokens_of(conversation.unsent_bytes)
}

/// Estimates tokens from bytes, rather too many than too few: code has about three bytes per token.
fn tokens_of(bytes: u64) -> u64 {
    bytes.div_ceil(3)
}
