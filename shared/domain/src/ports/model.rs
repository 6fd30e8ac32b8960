//! The port to the model.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ContentBlock, MicroDollars, RawJson, StopReason, Terminal, Usage};

/// Everything that is sent for one reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRequest {
    /// The name of the model at its service.
    pub model: String,
    /// Limit of the reply, in tokens.
    pub max_tokens: u32,
    /// The system prompt.
    pub system: String,
    /// A JSON array, empty for no tools.
    pub tools: RawJson,
    /// Oldest first, each the JSON object that is sent.
    pub messages: Vec<RawJson>,
    /// The JSON schema of the reply, when it has to be JSON.
    pub output_schema: Option<RawJson>,
    /// Time limit of the call, from its start.
    pub deadline: Duration,
    pub options: CallOptions,
}

/// Settings of a call that are not part of the conversation, so they may differ from call to call. The default suits a turn in
/// the middle of the work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallOptions {
    /// How much the model is to think; none for the configured value, or else the model's own default.
    pub effort: Option<Effort>,
    pub cache: CacheLifetime,
    /// The id of this conversation's last reply ([`ReplyDetails::message_id`]). With it the service reports why its prompt cache
    /// did not contain what was sent before ([`ReplyDetails::cache_miss`]).
    pub previous_message: Option<String>,
}

/// How much a model is to think, in the service's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// How long the service keeps a conversation in its prompt cache after it last used it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheLifetime {
    /// For when the next call follows at once.
    #[default]
    FiveMinutes,
    /// At a higher price, for when a person is asked before the next call.
    Hour,
}

/// One reply, assembled once from the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReply {
    /// The whole message object as received. Its `content` is sent back with the next call, byte for byte.
    pub raw: RawJson,
    /// The same content, parsed.
    pub content: Vec<ContentBlock>,
    pub stop: StopReason,
    /// Tokens as billed.
    pub usage: Usage,
    pub cost: MicroDollars,
    /// Boxed, because replies are moved often and this is read seldom.
    pub details: Box<ReplyDetails>,
    /// The service's id of the request, for its operator's support.
    pub request_id: Option<String>,
    /// From sending the request to the first piece of content.
    pub first_content_after: Option<Duration>,
}

/// What the service reports about a reply besides its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplyDetails {
    /// Why the model declined.
    pub stop: Option<StopDetails>,
    /// The service's id of the message, for [`CallOptions::previous_message`].
    pub message_id: Option<String>,
    /// None when the prompt cache was used, or the service does not report it.
    pub cache_miss: Option<CacheMiss>,
}

/// Why a model declined, in the service's words. Either may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StopDetails {
    /// The subject that the service assigned to the request, such as `cyber`.
    pub category: Option<String>,
    pub explanation: Option<String>,
}

/// Why the prompt cache did not contain what was sent before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMiss {
    ModelChanged,
    SystemChanged,
    ToolsChanged,
    /// An earlier message differs from what was sent before.
    MessagesChanged,
    /// The service does not know the earlier reply, or no longer.
    PreviousMessageNotFound,
    /// The service cannot tell.
    Unavailable,
    /// A reason that is not known here.
    #[serde(untagged)]
    Other(String),
}

impl CacheMiss {
    /// Whether the request differs from the one before by more than an addition at its end. The conversation is append-only, so
    /// that is a defect of ours, unless the model or the tools were changed on purpose.
    pub fn is_edit(&self) -> bool {
        match self {
            Self::ModelChanged | Self::SystemChanged | Self::ToolsChanged | Self::MessagesChanged => true,
            Self::PreviousMessageNotFound | Self::Unavailable | Self::Other(_) => false,
        }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The service asks for a pause that is too long to wait inside of a call (rate limit, overload).
    #[error("{reason}; next try in {seconds} s")]
    Wait {
        seconds: u64,
        /// In the service's words.
        reason: String,
    },
    /// The call broke off (connection, cut stream, server error, deadline). No part of the reply is used; the call is repeated.
    #[error("the model's reply broke off: {reason}")]
    Interrupted {
        reason: String,
        /// What the service had counted by then, which may be billed.
        usage: Usage,
        /// The price of `usage`.
        cost: MicroDollars,
    },
    /// A filter of the service withheld the reply. Another reply to the same request may pass.
    #[error("the model's reply was withheld: {reason}")]
    Filtered {
        reason: String,
        /// As for [`ModelError::Interrupted`].
        usage: Usage,
        cost: MicroDollars,
    },
    /// The prompt and [`ModelRequest::max_tokens`] together exceed the model's context window. The same request with a lower
    /// limit may fit. The service checks this before the model reads the request, so that nothing is billed.
    #[error("prompt and reply do not fit the model's window: {reason}")]
    WindowExceeded {
        /// The service's count, when it gives one.
        counted: Option<WindowCount>,
        reason: String,
    },
    /// A retry would fail in the same way.
    #[error("{terminal}")]
    Terminal {
        terminal: Terminal,
        /// As for [`ModelError::Interrupted`]. Zero unless the reply had begun.
        usage: Usage,
        cost: MicroDollars,
    },
}

impl From<Terminal> for ModelError {
    /// An error before the request was sent.
    fn from(terminal: Terminal) -> Self {
        Self::Terminal { terminal, usage: Usage::default(), cost: MicroDollars::default() }
    }
}

/// The length of a prompt and of the model's window, as the service counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowCount {
    pub prompt_tokens: u64,
    pub window_tokens: u64,
}

/// A piece of a reply as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyPiece<'a> {
    /// Text for the user.
    Text(&'a str),
    /// The service's summary of the model's thinking.
    Thinking(&'a str),
}

/// The model's service.
///
/// # Contract
/// - **Callers may rely on** a reply being complete: a reply that was cut off is an error. The content of [`ModelReply::raw`] can
///   be sent back unchanged. No call costs more than [`Model::worst_case`].
/// - **An implementation must** wait inside of the call when the service asks for a short pause, return [`ModelError::Wait`] for a
///   long one, and end the call when the future is dropped.
/// - **After a crash** during a call nothing is known about it: it may have been billed, and its reply is lost. The caller has
///   reserved its cost before, and makes another call.
#[async_trait]
pub trait Model: Send + Sync {
    /// Requests one reply. Calls `live` with its pieces as they arrive.
    async fn reply(
        &self,
        request: &ModelRequest,
        live: &(dyn for<'a> Fn(ReplyPiece<'a>) + Send + Sync),
    ) -> Result<ModelReply, ModelError>;

    /// The maximum that the request can cost, which is reserved before the call.
    fn worst_case(&self, request: &ModelRequest) -> MicroDollars;

    fn limits(&self, model: &str) -> ModelLimits;

    /// The length of the request in tokens, as the service counts it. Free of charge.
    async fn count_tokens(&self, request: &ModelRequest) -> Result<u64, ModelError>;

    /// Asks the service for its models and their limits, so that [`Model::limits`] does not depend on the built-in list alone.
    /// Does nothing when it asked recently, and changes nothing when the service does not answer.
    async fn learn_limits(&self) {}
}

/// The limits of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelLimits {
    /// Context window: length of the conversation in tokens, the reply included.
    pub context_tokens: u64,
    /// Length of one reply in tokens.
    pub output_tokens: u32,
}
