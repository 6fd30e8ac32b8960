//! The body of a request.

use std::borrow::Cow;

use domain::{CacheLifetime, Effort, ErrorCode, ModelRequest, RawJson, Terminal};
use serde::Serialize;
use serde_json::value::RawValue;

use super::cache_breakpoints::{self, CacheControl};
use crate::models::Catalogue;

/// A request. It has no field that version 2026-10-21 refuses, such as sampling parameters or a forced tool choice.
///
/// Tools, messages and schema are written byte for byte as the caller gave them, except that cache breakpoints are inserted into
/// messages ([`cache_breakpoints`]), which are added at the end.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[SystemBlock<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    cache_control: CacheControl,
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
    cache_control: CacheControl,
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

/// Makes the service compare the request with the one that `previous_message_id` answered. Null, in a first request, makes it
/// remember this one.
#[derive(Serialize)]
struct Diagnostics<'a> {
    previous_message_id: Option<&'a str>,
}

/// The endpoint a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Reply,
    CountTokens,
}

/// Writes the body of a request. `default_effort` applies when the request asks for none.
///
/// # Errors
/// If the tools of the request are not a JSON array.
pub(super) fn write(
    request: &ModelRequest,
    catalogue: &Catalogue,
    default_effort: Option<Effort>,
    purpose: Purpose,
) -> Result<Vec<u8>, Terminal> {
    let tools: Vec<&RawValue> =
        request.tools.read().map_err(|error| unusable(&format!("the tools are not a JSON array: {error}")))?;
    let schema = request.output_schema.as_ref().filter(|_| catalogue.has_structured_output(&request.model));
    let effort = request.options.effort.or(default_effort).filter(|_| catalogue.has_effort(&request.model));
    let is_reply = purpose == Purpose::Reply;
    let body = Body {
        model: &request.model,
        max_tokens: is_reply.then_some(request.max_tokens),
        system: (!request.system.trim().is_empty()).then_some([SystemBlock {
            r#type: "text",
            text: &request.system,
            cache_control: CacheControl::HOUR,
        }]),
        tools: (!tools.is_empty()).then_some(&request.tools),
        stream: is_reply.then_some(true),
        cache_control: CacheControl::new(request.options.cache),
        thinking: catalogue.thinking(&request.model),
        output_config: OutputConfig { effort, format: schema.map(|schema| Format { r#type: "json_schema", schema }) },
        diagnostics: is_reply
            .then_some(Diagnostics { previous_message_id: request.options.previous_message.as_deref() }),
    };
    let mut written = Vec::with_capacity(prompt_bytes(request) + SPARE_BYTES);
    serde_json::to_writer(&mut written, &body)
        .map_err(|error| unusable(&format!("the request cannot be written as JSON: {error}")))?;
    let messages = cache_breakpoints::insert(&request.messages, request.options.cache);
    add_messages(&mut written, &messages);
    Ok(written)
}

/// Room for what a body has besides its prompt: quotes, escapes, cache breakpoints.
const SPARE_BYTES: usize = 16 * 1024;

/// Adds the messages as the last field of an object. They are JSON already and are copied, not parsed: they are nearly all of the
/// body, and most of them were sent before.
fn add_messages(object: &mut Vec<u8>, messages: &[Cow<'_, RawJson>]) {
    object.pop();
    object.extend_from_slice(br#","messages":["#);
    for (number, message) in messages.iter().enumerate() {
        if number > 0 {
            object.push(b',');
        }
        object.extend_from_slice(message.as_str().as_bytes());
    }
    object.extend_from_slice(b"]}");
}

fn unusable(message: &str) -> Terminal {
    Terminal::new(ErrorCode::ModelRefusedRequest, message)
}

/// The bytes of a request that the model reads.
pub(super) fn prompt_bytes(request: &ModelRequest) -> usize {
    let messages: usize = request.messages.iter().map(|message| message.as_str().len()).sum();
    let schema = request.output_schema.as_ref().map_or(0, |schema| schema.as_str().len());
    request.system.len() + request.tools.as_str().len() + messages + schema
}

/// The bytes of a prompt that are written to the cache for an hour, at the higher price.
pub(super) fn hour_bytes(request: &ModelRequest) -> usize {
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

    fn body(options: CallOptions, purpose: Purpose) -> serde_json::Value {
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
        serde_json::from_slice(&write(&request, &catalogue, Some(Effort::High), purpose).unwrap()).unwrap()
    }

    #[test]
    fn an_hour_of_cache_covers_the_whole_conversation() {
        let default = body(CallOptions::default(), Purpose::Reply);
        assert_eq!(default["system"][0]["cache_control"]["ttl"], "1h");
        assert!(default["cache_control"].get("ttl").is_none());
        assert!(default["messages"][0]["content"][0]["cache_control"].get("ttl").is_none());
        let hour = body(CallOptions { cache: CacheLifetime::Hour, ..CallOptions::default() }, Purpose::Reply);
        assert_eq!(hour["cache_control"]["ttl"], "1h");
        assert_eq!(hour["messages"][0]["content"][0]["cache_control"]["ttl"], "1h");
    }

    #[test]
    fn effort_of_the_request_overrides_the_configured_one() {
        assert_eq!(body(CallOptions::default(), Purpose::Reply)["output_config"]["effort"], "high");
        let extra_high = CallOptions { effort: Some(Effort::XHigh), ..CallOptions::default() };
        assert_eq!(body(extra_high, Purpose::Reply)["output_config"]["effort"], "xhigh");
    }

    #[test]
    fn a_body_for_counting_leaves_out_what_concerns_the_reply() {
        let count = body(CallOptions::default(), Purpose::CountTokens);
        for absent in ["max_tokens", "stream", "diagnostics"] {
            assert!(count.get(absent).is_none(), "{absent}");
            assert!(body(CallOptions::default(), Purpose::Reply).get(absent).is_some(), "{absent}");
        }
    }
}
