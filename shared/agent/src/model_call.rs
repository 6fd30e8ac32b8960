//! One call to the model: budget, intent, stream, reply. Shared by the plan and the turns.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ports::{Blobs, LiveReply, LiveText, elapsed, store_text};
use domain::span::attributes as key;
use domain::span::names;
use domain::state::ConversationState;
use domain::text::shorten;
use domain::transcript::{self, Texts};
use domain::{
    BudgetReserved, BudgetSettled, CacheLifetime, CallKey, CallOptions, ContentBlock, Conversation, ErrorCode,
    EventBody, LimitReached, MicroDollars, Model, ModelError, ModelReplied, ModelReply, ModelRequest, ModelRetrying,
    PlanApproval, RawJson, ReplyPiece, RetryCause, SpanKind, SpanOutcome, StepError, StopReason, Terminal, TurnStarted,
    Usage, error_chain,
};

use jiff::Timestamp;

use crate::context::{Context, OpenSpan, Watched, internal};

/// Below this a shorter reply is of no use.
const MIN_REPLY_TOKENS: u32 = 4096;

/// The longest reply that is asked for after one that was cut: about what fits one invocation.
const MAX_REPLY_TOKENS: u32 = 64_000;

/// Kept back of a deadline for what has to be written after the call.
const RESERVE: Duration = Duration::from_secs(20);

/// So many calls in a row may break off before the run gives up.
const MAX_FAILURES: u32 = 8;

/// So often one turn is asked for, pauses included: at a minute each, some hours.
const MAX_ATTEMPTS: u32 = 300;

/// The longest reason for a refusal that is told.
const MAX_REASON_CHARACTERS: usize = 500;

/// How often live text is shown.
const LIVE_INTERVAL: Duration = Duration::from_millis(150);

/// The ports for talking to the model.
#[derive(Clone)]
pub struct ModelCaller {
    /// The model.
    pub model: Arc<dyn Model>,
    /// Where replies are shown while they are written.
    pub live: Arc<dyn LiveText>,
    /// Where long replies are kept.
    pub blobs: Arc<dyn Blobs>,
}

/// What a conversation sends with every call.
pub(crate) struct PromptParts {
    pub conversation: Conversation,
    pub system: String,
    pub tools: RawJson,
    pub output_schema: Option<RawJson>,
}

/// What became of a call.
pub(crate) enum CallOutcome {
    /// The model replied. The events say so and are still to be appended.
    Replied { call: CallKey, reply: ModelReply, events: Vec<EventBody> },
    /// The next try is to be made in so many seconds.
    Wait(u64),
    /// The next try can be made at once, in a new invocation.
    Again,
    /// A limit of the budget is reached.
    Exhausted(LimitReached),
    /// The service refused the conversation as too long for the model.
    TooLong(Terminal),
    /// The run is to be cancelled, or another invocation has taken over.
    Stopped,
}

impl ModelCaller {
    pub(crate) async fn call(&self, context: &mut Context, prompt: PromptParts) -> Result<CallOutcome, StepError> {
        self.model.learn_limits().await;
        if let Some(seconds) =
            pause_left(context.log.state().conversation(prompt.conversation), context.common.clock.now())
        {
            return Ok(CallOutcome::Wait(seconds));
        }
        let state = context.log.state();
        let conversation = state.conversation(prompt.conversation);
        let (turn, attempt) = conversation.next_call();
        let call = CallKey { conversation: prompt.conversation, turn, attempt };
        let session = context.session()?;
        let model = session.request.model.clone();
        let usual = session.setup.max_tokens.min(self.model.limits(&model).output_tokens);
        let max_tokens = longest_reply(conversation, usual, self.model.limits(&model).output_tokens);
        let mut started = TurnStarted { call, up_to: state.tail, model, max_tokens };
        let messages = self.messages(context, &started).await?;
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
                // There is no money for a longer reply than usual; a usual one may do.
                (request.max_tokens, started.max_tokens) = (usual, usual);
                amount = self.model.worst_case(&request);
            }
            if let Err(reached) = run.budget.allows(amount) {
                return Ok(CallOutcome::Exhausted(reached));
            }
        }
        context.log.append(vec![BudgetReserved { call, amount }.into(), started.into()]).await?;
        self.ask(context, call, request).await
    }

    async fn messages(&self, context: &Context, started: &TurnStarted) -> Result<Vec<RawJson>, StepError> {
        let (events, conversation) = (context.log.events(), started.call.conversation);
        let texts = Texts::fetch(self.blobs.as_ref(), context.log.session_id(), events, conversation).await?;
        transcript::messages_of_next(events, &texts, started).map_err(internal)
    }

    async fn ask(&self, context: &mut Context, call: CallKey, request: ModelRequest) -> Result<CallOutcome, StepError> {
        let mut turn_span = match call.conversation {
            Conversation::Plan => context.span(names::PLAN, SpanKind::Internal),
            Conversation::Main => context.span(names::turn(call.turn), SpanKind::Internal),
        };
        if call.conversation == Conversation::Plan {
            turn_span.attributes.insert(key::OPERATION, "plan".into());
            turn_span.attributes.insert(key::AGENT_NAME, "tiny-backspace".into());
        }
        turn_span.attributes.insert(key::TURN, call.turn.0.into());
        turn_span.attributes.insert(key::OPENINFERENCE_KIND, "CHAIN".into());
        let mut chat = context.span(names::chat(&request.model), SpanKind::Client);
        chat.parent = turn_span.id.clone();
        describe(&mut chat, context, &request);
        let watched = context.until_cancelled(self.stream(context, call, &request)).await;
        let Watched::Done(result) = watched else {
            context.end(chat, SpanOutcome::Error("stopped".to_owned()));
            context.end(turn_span, SpanOutcome::Error("stopped".to_owned()));
            return Ok(CallOutcome::Stopped);
        };
        match &result {
            Ok(reply) => {
                describe_reply(&mut chat, reply);
                context.end(chat, SpanOutcome::Ok);
                context.end(turn_span, SpanOutcome::Ok);
            }
            Err(error) => {
                let said = context.common.redactor.redact(&error_chain(error)).into_owned();
                chat.attributes.insert(key::ERROR_TYPE, kind(error).into());
                context.end(chat, SpanOutcome::Error(said.clone()));
                context.end(turn_span, SpanOutcome::Error(said));
            }
        }
        match result {
            Ok(reply) => {
                let events = self.replied(context, call, &reply).await?;
                Ok(CallOutcome::Replied { call, reply, events })
            }
            Err(error) => failed(context, call, &request, error).await,
        }
    }

    /// Streams the reply, showing it as it comes.
    async fn stream(&self, context: &Context, call: CallKey, request: &ModelRequest) -> Result<ModelReply, ModelError> {
        let said = Mutex::new(LiveBuffer::default());
        let live = |piece: ReplyPiece<'_>| said.lock().unwrap_or_else(PoisonError::into_inner).add(piece);
        let reply = self.model.reply(request, &live);
        futures_util::pin_mut!(reply);
        let mut shown = 0;
        loop {
            let pause = context.common.clock.sleep(LIVE_INTERVAL);
            match futures_util::future::select(&mut reply, pause).await {
                futures_util::future::Either::Left((result, _)) => return result,
                futures_util::future::Either::Right(((), _)) => {}
            }
            let text = said.lock().unwrap_or_else(PoisonError::into_inner).text.clone();
            if text.len() == shown || call.conversation != Conversation::Main {
                continue;
            }
            shown = text.len();
            let text = context.common.redactor.redact_growing(&text);
            let reply = LiveReply { conversation: call.conversation, turn: call.turn, attempt: call.attempt, text };
            if let Err(error) = self.live.show(context.log.session_id(), &reply).await {
                tracing::debug!(error = error_chain(&error), "live text was not shown");
            }
        }
    }

    async fn replied(&self, context: &Context, call: CallKey, reply: &ModelReply) -> Result<Vec<EventBody>, StepError> {
        let raw = reply.raw.as_str().to_owned();
        let stored = store_text(self.blobs.as_ref(), context.log.session_id(), raw).await?;
        Ok(vec![
            ModelReplied { call, reply: stored, stop: reply.stop.clone(), usage: reply.usage, cost: reply.cost }.into(),
            BudgetSettled { call, cost: reply.cost }.into(),
        ])
    }
}

/// How long the next reply may be: shorter after one that did not fit its invocation, longer after one that was cut.
fn longest_reply(conversation: &ConversationState, usual: u32, most: u32) -> u32 {
    let Some(last) = &conversation.last_turn else { return usual };
    match conversation.reply_to_last_turn() {
        None => last.next_max_tokens.unwrap_or(last.max_tokens).min(most),
        Some(reply) if reply.stop == StopReason::MaxTokens => {
            usual.max(last.max_tokens.saturating_mul(2).min(MAX_REPLY_TOKENS)).min(most)
        }
        Some(_) => usual,
    }
}

/// What viewers see of a reply while it is written: also the summary of the thinking, in which current models report what
/// they do between tool calls.
#[derive(Default)]
struct LiveBuffer {
    text: String,
    thinks: bool,
}

impl LiveBuffer {
    fn add(&mut self, piece: ReplyPiece<'_>) {
        let (text, thinks) = match piece {
            ReplyPiece::Text(text) => (text, false),
            ReplyPiece::Thinking(text) => (text, true),
        };
        if thinks != self.thinks && !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.thinks = thinks;
        self.text.push_str(text);
    }
}

/// What is said of a call beside its conversation.
fn options(context: &Context, conversation: Conversation) -> Result<CallOptions, StepError> {
    let asked_next =
        conversation == Conversation::Plan && context.session()?.request.plan_approval == PlanApproval::Required;
    Ok(CallOptions {
        // A plan that is to be approved comes back when somebody has read it.
        cache: if asked_next { CacheLifetime::Hour } else { CacheLifetime::FiveMinutes },
        previous_message: previous_message(context.log.state().conversation(conversation)),
        ..CallOptions::default()
    })
}

/// The id of a conversation's last reply, for the service to compare with; none when the reply is stored elsewhere for its
/// length, or the conversation was restarted after it.
fn previous_message(conversation: &ConversationState) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Message {
        id: String,
    }
    let message = conversation.reply_since_restart()?.message.inline()?;
    serde_json::from_str::<Message>(message).ok().map(|message| message.id)
}

/// Seconds until the next try, when the last one was told to wait.
fn pause_left(conversation: &ConversationState, now: Timestamp) -> Option<u64> {
    let left = elapsed(now, conversation.last_turn.as_ref()?.next_try?);
    (left > Duration::from_millis(500)).then(|| left.as_secs().max(1))
}

/// Writes why there is no reply, and what comes next.
async fn failed(
    context: &mut Context,
    call: CallKey,
    request: &ModelRequest,
    error: ModelError,
) -> Result<CallOutcome, StepError> {
    let failures = context
        .log
        .state()
        .conversation(call.conversation)
        .last_turn
        .as_ref()
        .filter(|turn| turn.turn == call.turn)
        .map_or(0, |turn| turn.failures);
    let redacted = |reason: &str| context.common.redactor.redact(reason).into_owned();
    let (reason, cost, in_seconds, next_max_tokens, cause) = match error {
        ModelError::Terminal(terminal) if terminal.code == ErrorCode::ContextExhausted => {
            settle(context, call, MicroDollars::default()).await?;
            return Ok(CallOutcome::TooLong(terminal));
        }
        ModelError::Terminal(terminal) => {
            settle(context, call, MicroDollars::default()).await?;
            return Err(terminal.into());
        }
        ModelError::Wait { seconds, reason } => {
            (redacted(&reason), MicroDollars::default(), seconds, None, RetryCause::Pause)
        }
        ModelError::Interrupted { reason, usage: _, cost } => {
            // Given up at the deadline: a shorter reply fits the next invocation.
            let late = context.time_left() <= RESERVE + Duration::from_secs(5);
            let shorter = late.then(|| (request.max_tokens / 2).max(MIN_REPLY_TOKENS));
            let pause = if failures < 2 { 0 } else { 1 << failures.min(6) };
            (redacted(&reason), cost, pause, shorter, RetryCause::Failure)
        }
    };
    let retrying = ModelRetrying { call, reason: reason.clone(), cause, in_seconds, next_max_tokens };
    context.log.append(vec![BudgetSettled { call, cost }.into(), retrying.into()]).await?;
    let gives_up = match cause {
        RetryCause::Failure => failures + 1 >= MAX_FAILURES,
        RetryCause::Pause => call.attempt.0 >= MAX_ATTEMPTS,
    };
    if gives_up {
        let message = format!("the model gave no reply, the last time because: {reason}");
        return Err(StepError::terminal(ErrorCode::ModelUnavailable, message));
    }
    Ok(if in_seconds == 0 { CallOutcome::Again } else { CallOutcome::Wait(in_seconds) })
}

async fn settle(context: &mut Context, call: CallKey, cost: MicroDollars) -> Result<(), StepError> {
    Ok(context.log.append(vec![BudgetSettled { call, cost }.into()]).await?)
}

fn kind(error: &ModelError) -> &'static str {
    match error {
        ModelError::Wait { .. } => "rate_limited",
        ModelError::Interrupted { .. } => "interrupted",
        ModelError::Terminal(terminal) => terminal.code.name(),
    }
}

fn describe(chat: &mut OpenSpan, context: &Context, request: &ModelRequest) {
    let session = context.log.session_id().as_str();
    chat.attributes.extend([
        (key::OPERATION, "chat".into()),
        (key::PROVIDER, "anthropic".into()),
        (key::SYSTEM, "anthropic".into()),
        (key::REQUEST_MODEL, request.model.clone().into()),
        (key::REQUEST_MAX_TOKENS, request.max_tokens.into()),
        (key::REQUEST_STREAM, true.into()),
        (key::CONVERSATION, session.into()),
        (key::SESSION, session.into()),
        (key::OPENINFERENCE_KIND, "LLM".into()),
        (key::LANGSMITH_KIND, "llm".into()),
    ]);
}

fn describe_reply(chat: &mut OpenSpan, reply: &ModelReply) {
    let usage: Usage = reply.usage;
    let finish = match &reply.stop {
        StopReason::EndTurn | StopReason::StopSequence | StopReason::PauseTurn => "stop",
        StopReason::ToolUse => "tool_call",
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "length",
        StopReason::Refusal => "content_filter",
        StopReason::Other(_) => "error",
    };
    chat.attributes.extend([
        (key::FINISH_REASONS, domain::AttributeValue::Texts(vec![finish.to_owned()])),
        (key::INPUT_TOKENS, usage.context_tokens().into()),
        (key::OUTPUT_TOKENS, usage.output_tokens.into()),
        (key::CACHE_READ_TOKENS, usage.cache_read_tokens.into()),
        (key::CACHE_WRITE_TOKENS, usage.cache_write_tokens.into()),
        (key::COST, reply.cost.as_dollars().into()),
    ]);
    if let Some(id) = &reply.request_id {
        chat.attributes.insert(key::RESPONSE_ID, id.clone().into());
    }
    if let Some(first) = reply.first_content_after {
        chat.attributes.insert(key::TIME_TO_FIRST_CHUNK, first.as_secs_f64().into());
    }
}

/// The error of a reply that is none: the model declined, or its window is full.
pub(crate) fn unusable(reply: &ModelReply) -> Option<StepError> {
    match reply.stop {
        StopReason::Refusal => {
            let said = reply.content.iter().find_map(|block| match block {
                ContentBlock::Text { text } => Some(shorten(text, MAX_REASON_CHARACTERS).into_owned()),
                ContentBlock::Thinking { .. } | ContentBlock::ToolUse { .. } | ContentBlock::Other => None,
            });
            let (category, explanation) = refusal(reply);
            let category = category.map_or_else(String::new, |category| format!(" ({category})"));
            let said = explanation.or(said).unwrap_or_else(|| "it gave no reason".to_owned());
            Some(StepError::terminal(ErrorCode::ModelRefusal, format!("the model declined to go on{category}: {said}")))
        }
        StopReason::ModelContextWindowExceeded => {
            Some(StepError::terminal(ErrorCode::ContextExhausted, "the conversation fills the model's window"))
        }
        StopReason::EndTurn
        | StopReason::ToolUse
        | StopReason::MaxTokens
        | StopReason::StopSequence
        | StopReason::PauseTurn
        | StopReason::Other(_) => None,
    }
}

/// What the service says of a refusal: its category and an explanation.
fn refusal(reply: &ModelReply) -> (Option<String>, Option<String>) {
    let Some(details) = reply.details.stop.clone() else { return (None, None) };
    let explanation = details.explanation.filter(|text| !text.trim().is_empty());
    (details.category, explanation.map(|text| shorten(&text, MAX_REASON_CHARACTERS).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_what_the_service_says_of_it() {
        let message = |details: &str| {
            let raw = RawJson::parse(r#"{"content":[]}"#).unwrap();
            let stop = serde_json::from_str(details).unwrap();
            let reply = ModelReply {
                raw,
                content: Vec::new(),
                stop: StopReason::Refusal,
                usage: Usage::default(),
                cost: MicroDollars::default(),
                request_id: None,
                first_content_after: None,
                details: Box::new(domain::ReplyDetails { stop, ..domain::ReplyDetails::default() }),
            };
            unusable(&reply).unwrap().to_string()
        };
        assert_eq!(
            message(r#"{"type":"refusal","category":"cyber","explanation":"It asks for an exploit."}"#),
            "ModelRefusal: the model declined to go on (cyber): It asks for an exploit."
        );
        for nothing in ["null", r#"{"type":"refusal","category":null,"explanation":null}"#] {
            assert_eq!(message(nothing), "ModelRefusal: the model declined to go on: it gave no reason");
        }
    }
}
