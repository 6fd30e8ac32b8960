//! The port to the model.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ContentBlock, MicroDollars, RawJson, StopReason, Terminal, Usage};

/// Everything that is sent for one reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRequest {
    /// The model's name, as its service knows it.
    pub model: String,
    /// The most tokens the reply may have.
    pub max_tokens: u32,
    /// The system prompt.
    pub system: String,
    /// The tools, a JSON array; empty for none.
    pub tools: RawJson,
    /// The messages, oldest first, each the JSON object that is sent.
    pub messages: Vec<RawJson>,
    /// When the answer has to be JSON: its schema.
    pub output_schema: Option<RawJson>,
    /// How long the call may take; then it is given up.
    pub deadline: Duration,
    /// What may be said beside that.
    pub options: CallOptions,
}

/// What may be said of a request beside what it asks. None of it is part of the conversation, so it may differ from call to
/// call; the default suits a turn in the middle of the work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallOptions {
    /// How much the model is to think; as configured, or its own default, when it is not said.
    pub effort: Option<Effort>,
    /// How long the service is to keep the conversation in its prompt cache.
    pub cache: CacheLifetime,
    /// The id of this conversation's last reply ([`ReplyDetails::message_id`]): the service then says why its prompt cache did
    /// not hold what was sent before ([`ReplyDetails::cache_miss`]).
    pub previous_message: Option<String>,
}

/// How much a model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// As little as it can.
    Low,
    /// Some.
    Medium,
    /// A good deal.
    High,
    /// Very much.
    XHigh,
    /// Without regard for time and price.
    Max,
}

/// How long the service keeps a conversation in its prompt cache after it was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheLifetime {
    /// Five minutes: the next call follows at once.
    #[default]
    FiveMinutes,
    /// An hour, at a higher price: a person is asked first.
    Hour,
}

/// One reply, assembled once from the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReply {
    /// The whole message object as received. Its `content` is what is sent back next time, to the byte.
    pub raw: RawJson,
    /// The same content, for us to read.
    pub content: Vec<ContentBlock>,
    /// Why the model stopped.
    pub stop: StopReason,
    /// Tokens, as billed.
    pub usage: Usage,
    /// What the reply cost.
    pub cost: MicroDollars,
    /// What else the service says; boxed, because replies are handed around and this is seldom read.
    pub details: Box<ReplyDetails>,
    /// The service's id of the request, for questions to its operator.
    pub request_id: Option<String>,
    /// From sending the request to the first piece of content.
    pub first_content_after: Option<Duration>,
}

/// What the service says of a reply beside its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplyDetails {
    /// More about the end, when the model declined.
    pub stop: Option<StopDetails>,
    /// The service's id of the message, for [`CallOptions::previous_message`].
    pub message_id: Option<String>,
    /// Why the prompt cache did not hold what was sent before, when the service says so.
    pub cache_miss: Option<CacheMiss>,
}

/// Why a model declined, in the service's words. Either may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StopDetails {
    /// The field that the request was taken to be of, such as `cyber`.
    pub category: Option<String>,
    /// A sentence.
    pub explanation: Option<String>,
}

/// Why the prompt cache did not hold what was sent before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMiss {
    /// Another model was asked.
    ModelChanged,
    /// The system prompt is another.
    SystemChanged,
    /// The tools are others.
    ToolsChanged,
    /// An earlier message is another.
    MessagesChanged,
    /// The service does not know the earlier reply (any more).
    PreviousMessageNotFound,
    /// The service cannot tell.
    Unavailable,
    /// A reason we do not know.
    #[serde(untagged)]
    Other(String),
}

impl CacheMiss {
    /// Whether what is sent is not what was sent before with something added: our defect, where it was not meant.
    pub fn is_an_edit(&self) -> bool {
        match self {
            Self::ModelChanged | Self::SystemChanged | Self::ToolsChanged | Self::MessagesChanged => true,
            Self::PreviousMessageNotFound | Self::Unavailable | Self::Other(_) => false,
        }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The service asks for a pause longer than a call should sleep (rate limit, overload).
    #[error("{reason}; next try in {seconds} s")]
    Wait {
        /// How long.
        seconds: u64,
        /// What the service said.
        reason: String,
    },
    /// The call broke off (connection, cut stream, server error, deadline). Nothing of it is kept; it is asked again.
    #[error("the model's reply broke off: {reason}")]
    Interrupted {
        /// What happened.
        reason: String,
        /// What the service had counted by then; it may be billed.
        usage: Usage,
        /// The price of that.
        cost: MicroDollars,
    },
    /// It will not get better by asking again.
    #[error(transparent)]
    Terminal(#[from] Terminal),
}

/// A piece of a reply as it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyPiece<'a> {
    /// Text for the user.
    Text(&'a str),
    /// Summary of thinking.
    Thinking(&'a str),
}

/// The model, behind its service's protocol.
///
/// Contract: a reply is whole or it is an error; what was cut never becomes a reply. The content of
/// [`ModelReply::raw`] may be sent back unchanged. Short pauses the service asks for are taken inside; long ones are
/// [`ModelError::Wait`]. Dropping the future ends the call.
#[async_trait]
pub trait Model: Send + Sync {
    /// Asks for one reply; pieces are handed to `live` as they come.
    async fn reply(
        &self,
        request: &ModelRequest,
        live: &(dyn for<'a> Fn(ReplyPiece<'a>) + Send + Sync),
    ) -> Result<ModelReply, ModelError>;

    /// The most that a request can cost: what a budget reserves before the call.
    fn worst_case(&self, request: &ModelRequest) -> MicroDollars;

    /// The window and the longest reply of a model, in tokens.
    fn limits(&self, model: &str) -> ModelLimits;

    /// The length of what would be sent, in tokens, as the service counts it. Costs nothing.
    async fn count_tokens(&self, request: &ModelRequest) -> Result<u64, ModelError>;

    /// Asks the service which models it has and what they can take, so that [`Model::limits`] knows better than the list that
    /// was built in. Does nothing when it was asked lately, and leaves all as it is when it has no answer.
    async fn learn_limits(&self) {}
}

/// What a model can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelLimits {
    /// Tokens of the conversation, the reply included.
    pub context_tokens: u64,
    /// Tokens of one reply.
    pub output_tokens: u32,
}
