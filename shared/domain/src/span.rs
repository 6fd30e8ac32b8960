//! Spans as values.
//!
//! A session is one trace whose id, like the id of each run's root span, is fixed when it is created, so that steps in
//! different processes can name their parent. Names and attributes follow OpenTelemetry's conventions for generative AI
//! as of semantic conventions 1.42, the version that today's trace viewers read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{SpanId, TraceId};

/// The trace of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The root span of the first run, which is the parent of what follow-up runs hang below.
    pub root_span_id: SpanId,
}

/// Where a span stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
}

/// One finished span.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace_id: TraceId,
    /// The span itself.
    pub span_id: SpanId,
    /// The span it belongs to; none for the root.
    pub parent: Option<SpanId>,
    /// What it is.
    pub name: String,
    /// The side of a call it stands for.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What is known about it.
    pub attributes: Attributes,
    /// How it ended.
    pub outcome: SpanOutcome,
}

/// The side of a call that a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside.
    Internal,
    /// A call to something outside.
    Client,
    /// An answer to a call from outside.
    Server,
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanOutcome {
    /// Well.
    Ok,
    /// With an error, told in a sentence.
    Error(String),
}

/// Attributes of a span, by name.
pub type Attributes = BTreeMap<&'static str, AttributeValue>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
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

/// The names of spans.
pub mod names {
    /// The root: one run of the agent.
    pub const RUN: &str = "invoke_agent tiny-backspace";
    /// The plan step's part that asks the model.
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

    /// One command of ours in the sandbox.
    pub fn sandbox(operation: &str) -> String {
        format!("sandbox {operation}")
    }
}

/// The names of attributes, all of which one reader or another knows.
pub mod attributes {
    /// `invoke_agent`, `plan`, `chat` or `execute_tool`.
    pub const OPERATION: &str = "gen_ai.operation.name";
    /// The agent's name.
    pub const AGENT_NAME: &str = "gen_ai.agent.name";
    /// The session's id.
    pub const CONVERSATION: &str = "gen_ai.conversation.id";
    /// `anthropic`.
    pub const PROVIDER: &str = "gen_ai.provider.name";
    /// The older name of the same, which LangSmith reads.
    pub const SYSTEM: &str = "gen_ai.system";
    /// The model asked for.
    pub const REQUEST_MODEL: &str = "gen_ai.request.model";
    /// The limit of the reply.
    pub const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
    /// Whether the reply was streamed.
    pub const REQUEST_STREAM: &str = "gen_ai.request.stream";
    /// Id of the reply.
    pub const RESPONSE_ID: &str = "gen_ai.response.id";
    /// Why it ended, in the convention's words.
    pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    /// Seconds to the first piece of content.
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
    /// All input tokens, those of the cache included.
    pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    /// Output tokens.
    pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    /// Input tokens read from the cache.
    pub const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
    /// Input tokens written to the cache.
    pub const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
    /// Dollars.
    pub const COST: &str = "gen_ai.usage.cost";
    /// The tool's name.
    pub const TOOL_NAME: &str = "gen_ai.tool.name";
    /// `function`.
    pub const TOOL_TYPE: &str = "gen_ai.tool.type";
    /// The call's id.
    pub const TOOL_CALL: &str = "gen_ai.tool.call.id";
    /// The kind of the error.
    pub const ERROR_TYPE: &str = "error.type";
    /// `AGENT`, `LLM`, `TOOL` or `CHAIN`, for Phoenix and Langfuse.
    pub const OPENINFERENCE_KIND: &str = "openinference.span.kind";
    /// `chain`, `llm` or `tool`, for LangSmith.
    pub const LANGSMITH_KIND: &str = "langsmith.span.kind";
    /// The session's id, for grouping.
    pub const SESSION: &str = "session.id";
    /// What went in, as viewers show it in lists.
    pub const INPUT: &str = "input.value";
    /// What came out.
    pub const OUTPUT: &str = "output.value";
    /// Our step.
    pub const STEP: &str = "backspace.step";
    /// Which try this is.
    pub const ATTEMPT: &str = "backspace.attempt";
    /// Our verdict.
    pub const VERDICT: &str = "backspace.verdict";
    /// Our run.
    pub const RUN: &str = "backspace.run";
    /// The turn.
    pub const TURN: &str = "backspace.turn";
    /// The pull request's address.
    pub const PULL_REQUEST: &str = "backspace.pull_request";
    /// Exit code of a command.
    pub const EXIT_CODE: &str = "backspace.exit_code";
}
