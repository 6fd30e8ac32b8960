//! Handing a conversation over to a new one, before it no longer fits the model's window or costs too much.
//!
//! What was sent is never changed: the model signs its thinking over all that came before. So the old conversation is left
//! as it is and a new one begins. In the last call of the old one the model writes a note for it; where that cannot be,
//! because the window is full already or the note is none, what the log says takes its place.

use domain::ports::ModelLimits;
use domain::state::{ConversationState, SessionState};
use domain::text::shorten;
use domain::{
    Author, ContentBlock, ContextChanged, Conversation, ErrorCode, EventBody, ModelReply, Seq, StepError, StopReason,
    TurnNumber, UserMessage,
};

use crate::brief;
use crate::context::Context;
use crate::record;

const REQUEST: &str = include_str!("prompts/compaction.md");

/// So much of the model's window may be used, in percent: the rest is for one more turn and for the note.
const MAX_WINDOW_PERCENT: u64 = 60;

/// So many replies a conversation has before it is handed over for its length: less is no progress, however long the
/// opening is.
const MIN_REPLIES: u32 = 5;

/// So many replies a conversation has before it may be begun afresh because it no longer fits.
const MIN_REPLIES_WHEN_FULL: u32 = 3;

/// So often a session's conversation is begun afresh.
const MAX_COMPACTIONS: u32 = 20;

/// The longest note that is handed on, in characters.
const MAX_NOTE_CHARACTERS: usize = 30_000;

/// Why a conversation ends before the work does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is as long as a conversation should be.
    Length,
    /// It does not fit the model's window any more.
    WindowFull,
}

/// Whether the next call is to be the last one of its conversation.
pub(crate) fn is_due(state: &SessionState, limits: ModelLimits) -> bool {
    let main = &state.main;
    if main.awaits_compaction_note() {
        return true;
    }
    let Some(session) = &state.session else { return false };
    let most = session.setup.context_tokens.min(limits.context_tokens / 100 * MAX_WINDOW_PERCENT);
    main.compactions < MAX_COMPACTIONS && main.replies_since_compaction >= MIN_REPLIES && expected_tokens(main) > most
}

/// Asks for the note, unless that was done.
pub(crate) async fn request(context: &mut Context) -> Result<(), StepError> {
    if context.log.state().main.awaits_compaction_note() {
        return Ok(());
    }
    let text = REQUEST.trim().to_owned();
    let request = UserMessage { conversation: Conversation::Main, author: Author::Compaction, text, answers: None };
    Ok(context.log.append(vec![request.into()]).await?)
}

/// The events that begin the new conversation after the reply that should be the note.
pub(crate) fn after_note(context: &Context, reply: &ModelReply) -> Result<Vec<EventBody>, StepError> {
    let state = context.log.state();
    let turn = state.main.last_turn.as_ref().map(|turn| (turn.turn.next(), turn.up_to)).unwrap_or_default();
    let tokens = reply.usage.context_tokens() + reply.usage.output_tokens;
    begin(context, Cause::Length, turn, tokens, note(reply))
}

/// The events that begin a new conversation because the old one is full: after `reply`, which filled the window, or in
/// place of the call that was refused as too long. Fails when that has just been tried.
pub(crate) fn when_full(context: &Context, reply: Option<&ModelReply>) -> Result<Vec<EventBody>, StepError> {
    let main = &context.log.state().main;
    let replies = main.replies_since_compaction + u32::from(reply.is_some());
    let fewest = if main.compactions == 0 { 1 } else { MIN_REPLIES_WHEN_FULL };
    if replies < fewest || main.compactions >= MAX_COMPACTIONS {
        let message = match main.compactions {
            0 => "the task and what is known of the repository do not fit the model's window".to_owned(),
            times => format!(
                "the conversation fills the model's window again after {replies} replies; it was begun afresh {times} \
                 times before"
            ),
        };
        return Err(StepError::terminal(ErrorCode::ContextExhausted, message));
    }
    let last = main.last_turn.as_ref().map(|turn| (turn.turn, turn.up_to)).unwrap_or_default();
    match reply {
        Some(reply) => {
            let tokens = reply.usage.context_tokens() + reply.usage.output_tokens;
            begin(context, Cause::WindowFull, (last.0.next(), last.1), tokens, None)
        }
        None => begin(context, Cause::WindowFull, (last.0, main.seen_up_to()), expected_tokens(main), None),
    }
}

fn begin(
    context: &Context,
    cause: Cause,
    (begins, covered): (TurnNumber, Seq),
    tokens_before: u64,
    note: Option<String>,
) -> Result<Vec<EventBody>, StepError> {
    let state = context.log.state();
    let why = match cause {
        Cause::Length => "it had become long",
        Cause::WindowFull => "it no longer fitted the model's window",
    };
    let (note, from) = match note {
        Some(note) => (note, "with a note by the model"),
        None => (record::of(context.log.events()), "with what the log says of it, since there is no note by the model"),
    };
    let text = brief::compacted(state, covered, &note)?;
    let text = context.common.redactor.redact(&text).into_owned();
    let setup = &context.session()?.setup;
    let bytes = (text.len() + setup.system.len() + setup.tools.as_str().len()) as u64;
    let changed = ContextChanged {
        reason: format!("{why}; the new one opens {from}"),
        tokens_before,
        tokens_after: tokens_of(bytes),
        begins,
    };
    let opening = UserMessage { conversation: Conversation::Main, author: Author::Brief, text, answers: None };
    Ok(vec![changed.into(), opening.into()])
}

/// The note in a reply, if it holds one.
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

/// The length that the conversation has with the next call, estimated.
fn expected_tokens(conversation: &ConversationState) -> u64 {
    conversation.context_tokens + tokens_of(conversation.unsent_bytes)
}

/// Tokens of so many bytes, rather too many than too few: code has about three bytes to a token.
fn tokens_of(bytes: u64) -> u64 {
    bytes.div_ceil(3)
}
