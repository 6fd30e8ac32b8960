//! The spans of a call: one for the turn, and below it one for the request to the service.

use domain::span::attributes as key;
use domain::span::names;
use domain::{
    CallKey, Conversation, ModelError, ModelReply, ModelRequest, SpanKind, SpanOutcome, StopReason, error_chain,
};

use crate::context::{Context, OpenSpan};

pub(super) struct CallSpans {
    turn: OpenSpan,
    chat: OpenSpan,
}

impl CallSpans {
    pub(super) fn start(context: &Context, call: CallKey, request: &ModelRequest) -> Self {
        let mut turn = match call.conversation {
            Conversation::Plan => context.start_span(names::PLAN, SpanKind::Internal),
            Conversation::Main => context.start_span(names::turn(call.turn), SpanKind::Internal),
        };
        if call.conversation == Conversation::Plan {
            turn.attributes.insert(key::OPERATION, "plan".into());
            turn.attributes.insert(key::AGENT_NAME, "tiny-backspace".into());
        }
        turn.attributes.insert(key::TURN, call.turn.0.into());
        turn.attributes.insert(key::OPENINFERENCE_KIND, "CHAIN".into());
        let mut chat = context.start_span(names::chat(&request.model), SpanKind::Client);
        chat.parent = turn.id.clone();
        add_request(&mut chat, context, request);
        Self { turn, chat }
    }

    pub(super) fn end(self, context: &Context, outcome: SpanOutcome) {
        context.end_span(self.chat, outcome.clone());
        context.end_span(self.turn, outcome);
    }

    pub(super) fn end_with_reply(mut self, context: &Context, reply: &ModelReply) {
        add_reply(&mut self.chat, reply);
        self.end(context, SpanOutcome::Ok);
    }

    pub(super) fn end_with_error(mut self, context: &Context, error: &ModelError) {
        self.chat.attributes.insert(key::ERROR_TYPE, error_type(error).into());
        let message = context.common.redactor.redact(&error_chain(error)).into_owned();
        self.end(context, SpanOutcome::Error(message));
    }
}

fn error_type(error: &ModelError) -> &'static str {
    match error {
        ModelError::Wait { .. } => "rate_limited",
        ModelError::Interrupted { .. } => "interrupted",
        ModelError::Filtered { .. } => "content_filter",
        ModelError::WindowExceeded { .. } => "window_exceeded",
        ModelError::Terminal { terminal, .. } => terminal.code.name(),
    }
}

fn add_request(chat: &mut OpenSpan, context: &Context, request: &ModelRequest) {
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

fn add_reply(chat: &mut OpenSpan, reply: &ModelReply) {
    let usage = reply.usage;
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
