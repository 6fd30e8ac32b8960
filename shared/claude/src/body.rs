//! The body of a request.

use std::borrow::Cow;

use domain::{CacheLifetime, Effort, ModelRequest, RawJson, Terminal};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cache_breakpoints::{self, Mark};
use crate::catalogue::Catalogue;
use crate::refusal;

/// What is sent. It can say nothing that version 2026-10-21 refuses: no sampling parameters, no forced tool choice.
///
/// Tools, messages and schema are written to the byte as they were given, but for the marks of the prompt cache ([`marks`]).
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[SystemBlock<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawJson>,
    messages: Vec<Cow<'a, RawJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    cache_control: Mark,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<Diagnostics<'a>>,
}

#[derive(Serialize)]
struct SystemBlock<'a> {
    r#type: &'static str,
    text: &'a str,
    cache_control: Mark,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    schema: &'a RawJson,
}

/// Null asks for diagnostics of the next request.
#[derive(Serialize)]
struct Diagnostics<'a> {
    previous_message_id: Option<&'a str>,
}

/// What a body is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Reply,
    /// Only the length of the prompt is asked for.
    Count,
}

/// Writes the body of a request.
pub(crate) fn write(
    request: &ModelRequest,
    catalogue: &Catalogue,
    usual_effort: Option<Effort>,
    sent_for: For,
) -> Result<Vec<u8>, Terminal> {
    let tools: Vec<&RawValue> =
        request.tools.read().map_err(|error| refusal::ours(&format!("the tools are not an array: {error}")))?;
    let schema = request.output_schema.as_ref().filter(|_| catalogue.has_structured_output(&request.model));
    let effort = request.options.effort.or(usual_effort).filter(|_| catalogue.has_effort(&request.model));
    let is_reply = sent_for == For::Reply;
    let body = Body {
        model: &request.model,
        max_tokens: is_reply.then_some(request.max_tokens),
        system: (!request.system.trim().is_empty()).then_some([SystemBlock {
            r#type: "text",
            text: &request.system,
            cache_control: Mark::HOUR,
        }]),
        tools: (!tools.is_empty()).then_some(&request.tools),
        messages: cache_breakpoints::marked(&request.messages, request.options.cache),
        stream: is_reply.then_some(true),
        cache_control: Mark::of(request.options.cache),
        thinking: catalogue.thinking(&request.model),
        output_config: OutputConfig { effort, format: schema.map(|schema| Format { r#type: "json_schema", schema }) },
        diagnostics: is_reply
            .then_some(Diagnostics { previous_message_id: request.options.previous_message.as_deref() }),
    };
    serde_json::to_vec(&body).map_err(|error| refusal::ours(&format!("the request cannot be written: {error}")))
}

/// How many bytes of a request the model reads.
pub(crate) fn prompt_bytes(request: &ModelRequest) -> usize {
    let messages: usize = request.messages.iter().map(|message| message.as_str().len()).sum();
    let schema = request.output_schema.as_ref().map_or(0, |schema| schema.as_str().len());
    request.system.len() + request.tools.as_str().len() + messages + schema
}

/// How much of a prompt is kept for an hour, at the higher price, in bytes.
pub(crate) fn hour_bytes(request: &ModelRequest) -> usize {
    match request.options.cache {
        CacheLifetime::Hour => prompt_bytes(request),
        CacheLifetime::FiveMinutes => request.system.len() + request.tools.as_str().len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::CallOptions;

    use super::*;

    fn body(options: CallOptions, sent_for: For) -> serde_json::Value {
        let message =
            |role: &str| RawJson::parse(format!(r#"{{"role":"{role}","content":[{{"type":"text","text":"x"}}]}}"#));
        let request = ModelRequest {
            model: "claude-sonnet-5-5".to_owned(),
            max_tokens: 1_000,
            system: "s".to_owned(),
            tools: RawJson::parse("[]").unwrap(),
            messages: ["user", "assistant", "user"].map(|role| message(role).unwrap()).to_vec(),
            output_schema: None,
            deadline: Duration::from_secs(1),
            options,
        };
        let catalogue = Catalogue::built_in().unwrap();
        serde_json::from_slice(&write(&request, &catalogue, Some(Effort::High), sent_for).unwrap()).unwrap()
    }

    #[test]
    fn the_cache_keeps_everything_for_an_hour_when_a_person_is_asked_next() {
        let usual = body(CallOptions::default(), For::Reply);
        assert_eq!(usual["system"][0]["cache_control"]["ttl"], "1h");
        assert!(usual["cache_control"].get("ttl").is_none());
        assert!(usual["messages"][0]["content"][0]["cache_control"].get("ttl").is_none());
        let before_a_wait = body(CallOptions { cache: CacheLifetime::Hour, ..CallOptions::default() }, For::Reply);
        assert_eq!(before_a_wait["cache_control"]["ttl"], "1h");
        assert_eq!(before_a_wait["messages"][0]["content"][0]["cache_control"]["ttl"], "1h");
    }

    #[test]
    fn effort_is_as_asked_and_otherwise_as_configured() {
        assert_eq!(body(CallOptions::default(), For::Reply)["output_config"]["effort"], "high");
        let less = CallOptions { effort: Some(Effort::XHigh), ..CallOptions::default() };
        assert_eq!(body(less, For::Reply)["output_config"]["effort"], "xhigh");
    }

    #[test]
    fn a_count_asks_for_no_reply() {
        let count = body(CallOptions::default(), For::Count);
        for absent in ["max_tokens", "stream", "diagnostics"] {
            assert!(count.get(absent).is_none(), "{absent}");
            assert!(body(CallOptions::default(), For::Reply).get(absent).is_some(), "{absent}");
        }
    }
}
