//! A request, read and checked.

use serde_json::{Map, Value, json};

use super::api_error::ApiError;
use super::check;
use super::digest;
use super::models::Model;

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V2023,
    V2026,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Reply,
    Count,
}

/// Who speaks.
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

/// A message; content that was a plain text is one text block here.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) blocks: Vec<Value>,
}

impl Message {
    /// The text of its text blocks.
    pub(crate) fn text(&self) -> String {
        let texts = self.blocks.iter().filter(|block| block["type"] == "text");
        texts.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// A request that the API would take.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) body: Map<String, Value>,
    pub(crate) model: &'static Model,
    pub(crate) system: Vec<Value>,
    pub(crate) tools: Vec<Value>,
    pub(crate) messages: Vec<Message>,
    pub(crate) max_tokens: u64,
    pub(crate) stream: bool,
}

impl Request {
    /// Reads a body and refuses what the API refuses.
    pub(crate) fn read(bytes: &[u8], version: Version, beta: bool, purpose: Purpose) -> Result<Self, ApiError> {
        let body = serde_json::from_slice(bytes)
            .map_err(|error| ApiError::invalid(format!("The request body is not valid JSON: {error}")))?;
        let Value::Object(body) = body else {
            return Err(ApiError::invalid("Input should be a valid dictionary"));
        };
        check::fields::names(&body, version, beta, purpose)?;
        let model = check::fields::model(&body)?;
        let request = Self {
            model,
            max_tokens: check::fields::max_tokens(&body, model, purpose)?,
            stream: check::fields::stream(&body)?,
            system: check::messages::system(&body)?,
            tools: check::tools::read(&body)?,
            messages: check::messages::read(&body)?,
            body,
        };
        check::fields::thinking(&request, beta)?;
        check::fields::output_config(&request.body)?;
        check::tools::choice(&request)?;
        check::pairing::check(&request.messages)?;
        check::cache_breakpoints::check(&request)?;
        let tokens = request.tokens();
        if tokens > model.context_tokens {
            let limit = model.context_tokens;
            return Err(ApiError::invalid(format!("prompt is too long: {tokens} tokens > {limit} maximum")));
        }
        Ok(request)
    }

    /// Every block in the order in which prompts are cached.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let tools = self.tools.iter().map(|tool| ("tool", tool));
        let system = self.system.iter().map(|block| ("system", block));
        let messages = self.messages.iter().flat_map(|message| {
            let role = message.role.name();
            message.blocks.iter().map(move |block| (role, block))
        });
        tools.chain(system).chain(messages)
    }

    /// The length of the prompt, taken at four bytes a token.
    pub(crate) fn tokens(&self) -> u64 {
        self.blocks().map(|(_, block)| tokens_of(block)).sum::<u64>().max(1)
    }

    /// What is asked for as structured output.
    pub(crate) fn wants_structure(&self) -> bool {
        self.body.get("output_config").is_some_and(|config| !config["format"].is_null())
    }

    /// How much of the thinking is shown; none when the model is not to think.
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

/// Four bytes a token.
pub(crate) fn tokens_of(block: &Value) -> u64 {
    (digest::canonical(block).len() as u64).div_ceil(4)
}

/// Content as blocks: a plain text is one of them.
pub(crate) fn blocks_of(content: &Value) -> Option<Vec<Value>> {
    match content {
        Value::String(text) => Some(vec![json!({ "type": "text", "text": text })]),
        Value::Array(blocks) => Some(blocks.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
