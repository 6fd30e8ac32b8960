//! Finished spans as values, with their names and attributes.
//!
//! A session is one trace. Its id is fixed when the session is created, and the id of each run's root span when the run is
//! created, so that steps in different processes can name their parent. Names and attributes follow OpenTelemetry's
//! conventions for generative AI as of semantic conventions 1.42, the version that trace viewers read (November 2026).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{SpanId, TraceId};

/// The trace of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceContext {
    pub trace_id: TraceId,
    /// The root span of the first run; the root spans of follow-up runs are its children.
    pub root_span_id: SpanId,
}

/// What identifies a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanContext {
    pub trace_id: TraceId,
    pub span_id: SpanId,
}

/// A finished span.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// None for the root of the trace.
    pub parent: Option<SpanId>,
    /// One of [`names`].
    pub name: String,
    pub kind: SpanKind,
    pub start: Timestamp,
    pub end: Timestamp,
    pub attributes: Attributes,
    pub outcome: SpanOutcome,
}

/// The side of a call that a span represents, in OpenTelemetry's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Not a call across processes.
    Internal,
    /// A call to an outside system.
    Client,
    /// The answer to a call from outside.
    Server,
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanOutcome {
    Ok,
    /// With a sentence about the error.
    Error(String),
}

/// Attributes of a span, by name.
pub type Attributes = BTreeMap<&'static str, AttributeValue>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    Texts(Vec<String>),
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for AttributeValue {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for AttributeValue {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for AttributeValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Names of spans.
pub mod names {
    /// The root: one run of the agent.
    pub const RUN: &str = "invoke_agent tiny-backspace";
    /// The part of the step `plan` that asks the model.
    pub const PLAN: &str = "plan tiny-backspace";

    /// One invocation of a step.
    pub fn step(step: crate::Step) -> String {
        format!("step {step}")
    }

    /// One turn of the model: the call and what surrounds it.
    pub fn turn(turn: crate::TurnNumber) -> String {
        format!("turn {turn}")
    }

    /// One call to the model.
    pub fn chat(model: &str) -> String {
        format!("chat {model}")
    }

    /// One tool call.
    pub fn tool(tool: &str) -> String {
        format!("execute_tool {tool}")
    }

    /// One call to the forge.
    pub fn forge(operation: &str) -> String {
        format!("forge {operation}")
    }

    /// One command in the sandbox that is not a tool call, such as the clone.
    pub fn sandbox(operation: &str) -> String {
        format!("sandbox {operation}")
    }
}

/// Names of attributes: those of OpenTelemetry's conventions, those that single trace viewers read, and our own
/// (`backspace.`).
pub mod attributes {
    /// `invoke_agent`, `plan`, `chat` or `execute_tool`.
    pub const OPERATION: &str = "gen_ai.operation.name";
    pub const AGENT_NAME: &str = "gen_ai.agent.name";
    pub const CONVERSATION: &str = "gen_ai.conversation.id";
    /// `anthropic`.
    pub const PROVIDER: &str = "gen_ai.provider.name";
    /// The older name of [`PROVIDER`], which LangSmith reads.
    pub const SYSTEM: &str = "gen_ai.system";
    pub const REQUEST_MODEL: &str = "gen_ai.request.model";
    /// Limit of the reply, in tokens.
    pub const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
    /// Whether the reply was streamed.
    pub const REQUEST_STREAM: &str = "gen_ai.request.stream";
    /// The service's id of the reply.
    pub const RESPONSE_ID: &str = "gen_ai.response.id";
    /// Why the reply ended, in the convention's words.
    pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    /// Seconds from the request to the first piece of content.
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
    /// Tokens read from and written to the prompt cache included.
    pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    /// Input tokens read from the prompt cache.
    pub const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
    /// Input tokens written to the prompt cache.
    pub const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
    /// In dollars.
    pub const COST: &str = "gen_ai.usage.cost";
    pub const TOOL_NAME: &str = "gen_ai.tool.name";
    /// Always `function`.
    pub const TOOL_TYPE: &str = "gen_ai.tool.type";
    pub const TOOL_CALL: &str = "gen_ai.tool.call.id";
    /// The error's code or type.
    pub const ERROR_TYPE: &str = "error.type";
    /// `AGENT`, `LLM`, `TOOL` or `CHAIN`, for Phoenix and Langfuse.
    pub const OPENINFERENCE_KIND: &str = "openinference.span.kind";
    /// `chain`, `llm` or `tool`, for LangSmith.
    pub const LANGSMITH_KIND: &str = "langsmith.span.kind";
    /// The session's id, for grouping.
    pub const SESSION: &str = "session.id";
    /// Shown in the lists of trace viewers.
    pub const INPUT: &str = "input.value";
    /// Shown in the lists of trace viewers.
    pub const OUTPUT: &str = "output.value";
    pub const STEP: &str = "backspace.step";
    /// Counts from 1.
    pub const ATTEMPT: &str = "backspace.attempt";
    pub const VERDICT: &str = "backspace.verdict";
    pub const RUN: &str = "backspace.run";
    pub const TURN: &str = "backspace.turn";
    /// The address of the pull request.
    pub const PULL_REQUEST: &str = "backspace.pull_request";
    /// Of a command.
    pub const EXIT_CODE: &str = "backspace.exit_code";
}
