//! The types of a request. [`parse`](super::parse) creates them, [`check`](super::check) validates them.

use serde_json::{Map, Value};

use super::canonical::canonical;
use super::models::Model;

/// A version of the API, as in `anthropic-version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V2023,
    V2026,
}

/// The endpoint a request was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Reply,
    CountTokens,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Assistant,
    System,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
        }
    }
}

/// A message. Content that was a string is a single text block here.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) blocks: Vec<Value>,
}

impl Message {
    /// The text blocks, one per line.
    pub(crate) fn text(&self) -> String {
        let texts = self.blocks.iter().filter(|block| block["type"] == "text");
        texts.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// A request of the right shape, which the API may still refuse.
#[derive(Debug)]
pub(crate) struct Request {
    /// All fields, those below included.
    pub(crate) body: Map<String, Value>,
    pub(crate) model: &'static Model,
    pub(crate) system: Vec<Value>,
    pub(crate) tools: Vec<Value>,
    pub(crate) messages: Vec<Message>,
    /// Zero when tokens are only counted and the field is absent.
    pub(crate) max_tokens: u64,
    pub(crate) stream: bool,
}

impl Request {
    /// Every block with its kind, in the order in which the API caches a prompt.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let tools = self.tools.iter().map(|tool| ("tool", tool));
        let system = self.system.iter().map(|block| ("system", block));
        let messages = self.messages.iter().flat_map(|message| {
            let role = message.role.name();
            message.blocks.iter().map(move |block| (role, block))
        });
        tools.chain(system).chain(messages)
    }

    /// The length of the prompt, at least one.
    pub(crate) fn tokens(&self) -> u64 {
        self.blocks().map(|(_, block)| tokens_of(block)).sum::<u64>().max(1)
    }

    /// Whether the reply has to have the form of a schema.
    pub(crate) fn wants_structured_output(&self) -> bool {
        self.body.get("output_config").is_some_and(|config| !config["format"].is_null())
    }

    /// Whether thinking blocks show their text; `None` if the model is not to think. Current models think unless told
    /// otherwise, and show nothing unless asked to; older models do the reverse of both.
    pub(crate) fn shows_thinking(&self) -> Option<bool> {
        let thinking = self.body.get("thinking");
        let field = |name: &str| thinking.and_then(|thinking| thinking[name].as_str());
        match (field("type"), field("display")) {
            (None | Some("disabled"), _) if !self.model.is_current() => None,
            (_, Some(display)) => Some(display == "summarized"),
            (_, None) => Some(!self.model.is_current()),
        }
    }
}

/// An estimate of four bytes per token.
pub(crate) fn tokens_of(block: &Value) -> u64 {
    (canonical(block).len() as u64).div_ceil(4)
}
