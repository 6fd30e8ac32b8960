//! One call to the model. The steps `plan` and `generate-turn` share it.
//!
//! The budget reservation and `turn.started` are appended before the call: they are the intent of a paid effect. If the
//! process dies during the call, the log shows that it was made, the unsettled reservation counts as spent, and the next
//! attempt is a call of its own.

mod failure;
mod live_text;
mod refusal;
mod telemetry;

use std::sync::Arc;
use std::time::Duration;

use domain::ports::{Blobs, LiveText, elapsed, store_text};
use domain::state::{ConversationState, SessionState};
use domain::{
    BudgetReserved, BudgetSettled, CacheLifetime, CallKey, CallOptions, Conversation, EventBody, LimitReached, Model,
    ModelReplied, ModelReply, ModelRequest, PlanApproval, RawJson, SpanOutcome, StepError, StopReason, Terminal,
    TurnStarted,
};
use jiff::Timestamp;

use crate::compaction;
use crate::context::{Context, Interruptible};

pub(crate) use refusal::unusable;

/// The longest reply, in tokens, that is asked for after one that was cut off: about what fits one invocation.
const MAX_REPLY_TOKENS: u32 = 64_000;

/// The shortest reply, in tokens, that is worth asking for.
const MIN_REPLY_TOKENS: u32 = 4096;

/// Kept free of a model's window: a message of the user that arrives before the next attempt makes the prompt longer.
const WINDOW_MARGIN_TOKENS: u64 = 1024;

/// Time kept free before the invocation's deadline, so that the reply, which is paid for, can still be stored.
const RESERVE: Duration = Duration::from_secs(20);

/// Calls the model through its ports.
#[derive(Clone)]
pub struct ModelCaller {
    pub model: Arc<dyn Model>,
    /// Shows a reply to viewers while it is being written.
    pub live: Arc<dyn LiveText>,
    /// Stores replies that are too long for an event.
    pub blobs: Arc<dyn Blobs>,
}

/// The parts of a prompt that are the same in every call of a conversation.
pub(crate) struct PromptParts {
    pub conversation: Conversation,
    pub system: String,
    pub tools: RawJson,
    pub output_schema: Option<RawJson>,
}

/// The outcome of a call.
pub(crate) enum CallOutcome {
    /// The model replied. The caller appends `events`, together with what follows from the reply.
    Replied {
        call: CallKey,
        reply: ModelReply,
        events: Vec<EventBody>,
    },
    /// Retry after this many seconds.
    Wait(u64),
    /// Retry at once, in a new invocation.
    Again,
    Exhausted(LimitReached),
    /// The service refused the conversation because it is too long for the model.
    TooLong(Terminal),
    /// The run is cancelled, or another invocation has taken over.
    Stopped,
}

impl ModelCaller {
    pub(crate) async fn call(&self, context: &mut Context, prompt: PromptParts) -> Result<CallOutcome, StepError> {
        self.model.learn_limits().await;
        let state = context.log.state();
        let conversation = state.conversation(prompt.conversation);
        if let Some(seconds) = pause_left(conversation, context.common.clock.now()) {
            return Ok(CallOutcome::Wait(seconds));
        }
        let (turn, attempt) = conversation.next_call();
        let call = CallKey { conversation: prompt.conversation, turn, attempt };
        let session = context.session()?;
        let model = session.request.model.clone();
        let usual = session.setup.max_tokens.min(self.model.limits(&model).output_tokens);
        let max_tokens = reply_limit(state, conversation, usual, self.model.limits(&model).output_tokens);
        let mut started = TurnStarted { call, up_to: state.tail, model, max_tokens };
        let messages = context.log.messages_of_next(&started).await?;
        let state = context.log.state();
        let deadline = context.time_left().saturating_sub(RESERVE);
        let mut request = ModelRequest {
            model: started.model.clone(),
            max_tokens,
            system: prompt.system,
            tools: prompt.tools,
            messages,
            output_schema: prompt.output_schema,
            deadline,
            options: options(context, prompt.conversation)?,
        };
        let mut amount = self.model.worst_case(&request);
        if let Some(run) = state.run() {
            if run.budget.allows(amount).is_err() && max_tokens > usual {
                // The budget does not cover a longer reply than usual; it may cover one of the usual length.
                (request.max_tokens, started.max_tokens) = (usual, usual);
                amount = self.model.worst_case(&request);
            }
            if let Err(reached) = run.budget.allows(amount) {
                return Ok(CallOutcome::Exhausted(reached));
            }
        }
        // Before the call: a step that another invocation has replaced fails here and does not pay for a second call.
        context.log.append(vec![BudgetReserved { call, amount }.into(), started.into()]).await?;
        self.send(context, call, request).await
    }

    async fn send(
        &self,
        context: &mut Context,
        call: CallKey,
        request: ModelRequest,
    ) -> Result<CallOutcome, StepError> {
        let spans = telemetry::CallSpans::start(context, call, &request);
        let result = match context.run_until_stopped(self.stream(context, call, &request)).await {
            Interruptible::Completed(result) => result,
            Interruptible::Stopped => {
                spans.end(context, SpanOutcome::Error("stopped".to_owned()));
                return Ok(CallOutcome::Stopped);
            }
        };
        match result {
            Ok(reply) => {
                spans.end_with_reply(context, &reply);
                let events = self.reply_events(context, call, &reply).await?;
                Ok(CallOutcome::Replied { call, reply, events })
            }
            Err(error) => {
                spans.end_with_error(context, &error);
                failure::after_failure(context, call, &request, error).await
            }
        }
    }

    async fn reply_events(
        &self,
        context: &Context,
        call: CallKey,
        reply: &ModelReply,
    ) -> Result<Vec<EventBody>, StepError> {
        let raw = reply.raw.as_str().to_owned();
        let stored = store_text(self.blobs.as_ref(), context.log.session_id(), raw).await?;
        Ok(vec![
            ModelReplied { call, reply: stored, stop: reply.stop.clone(), usage: reply.usage, cost: reply.cost }.into(),
            BudgetSettled { call, cost: reply.cost }.into(),
        ])
    }
}

/// The limit on the next reply, in tokens, at most `max`: lower than `usual` after a reply that did not fit its invocation,
/// higher after one that was cut off at its limit. What the model's window has left limits it further.
fn reply_limit(state: &SessionState, conversation: &ConversationState, usual: u32, max: u32) -> u32 {
    let Some(last) = &conversation.last_turn else { return usual };
    let wanted = match conversation.reply_to_last_turn() {
        None => return last.next_max_tokens.unwrap_or(last.max_tokens).min(max),
        Some(reply) if reply.stop == StopReason::MaxTokens => {
            usual.max(last.max_tokens.saturating_mul(2).min(MAX_REPLY_TOKENS)).min(max)
        }
        Some(_) => usual,
    };
    let Some(window) = state.window_tokens else { return wanted };
    let left = window_left(window, compaction::expected_tokens(conversation));
    // The length is only estimated, so a minimum is asked for in any case: the service knows better.
    wanted.min(left.max(MIN_REPLY_TOKENS))
}

/// What a window has left for a reply, in tokens.
fn window_left(window_tokens: u64, prompt_tokens: u64) -> u32 {
    let left = window_tokens.saturating_sub(prompt_tokens).saturating_sub(WINDOW_MARGIN_TOKENS);
    u32::try_from(left).unwrap_or(u32::MAX)
}

fn options(context: &Context, conversation: Conversation) -> Result<CallOptions, StepError> {
    let waits_for_approval =
        conversation == Conversation::Plan && context.session()?.request.plan_approval == PlanApproval::Required;
    Ok(CallOptions {
        // The next call comes only after a user has read the plan, so the short lifetime may not be enough.
        cache: if waits_for_approval { CacheLifetime::Hour } else { CacheLifetime::FiveMinutes },
        previous_message: previous_message(context.log.state().conversation(conversation)),
        ..CallOptions::default()
    })
}

/// The id of the conversation's last reply, for the service to compare with. None when the reply is in `Blobs` because it
/// is too long for an event, or when the conversation was restarted after it.
fn previous_message(conversation: &ConversationState) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Message {
        id: String,
    }
    let message = conversation.reply_since_restart()?.message.inline()?;
    serde_json::from_str::<Message>(message).ok().map(|message| message.id)
}

/// Seconds until the next attempt, when the last one ended with a pause. Half a second or less is not worth a wait.
fn pause_left(conversation: &ConversationState, now: Timestamp) -> Option<u64> {
    let left = elapsed(now, conversation.last_turn.as_ref()?.next_try?);
    (left > Duration::from_millis(500)).then(|| left.as_secs().max(1))
}
