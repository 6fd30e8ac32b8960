//! The body of a request.

use domain::{ModelRequest, RawJson, Terminal};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::catalogue::Catalogue;
use crate::refusal;

/// What is sent. It can say nothing that version 2026-10-21 refuses: no sampling parameters, no forced tool choice.
///
/// Tools, messages and schema are written to the byte as they were given. Two places are marked for the prompt cache:
/// the end of tools and system prompt, which further sessions share, and, by the service, the end of the conversation.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[SystemBlock<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawJson>,
    messages: &'a [RawJson],
    stream: bool,
    cache_control: CacheControl,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
}

#[derive(Serialize)]
struct SystemBlock<'a> {
    r#type: &'static str,
    text: &'a str,
    cache_control: CacheControl,
}

#[derive(Serialize)]
struct CacheControl {
    r#type: &'static str,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    format: Format<'a>,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    schema: &'a RawJson,
}

const EPHEMERAL: CacheControl = CacheControl { r#type: "ephemeral" };

/// Writes the body of a request.
pub(crate) fn write(request: &ModelRequest, catalogue: &Catalogue) -> Result<Vec<u8>, Terminal> {
    let tools: Vec<&RawValue> =
        request.tools.read().map_err(|error| refusal::ours(&format!("the tools are not an array: {error}")))?;
    let schema = request.output_schema.as_ref().filter(|_| catalogue.has_structured_output(&request.model));
    let body = Body {
        model: &request.model,
        max_tokens: request.max_tokens,
        system: (!request.system.trim().is_empty()).then_some([SystemBlock {
            r#type: "text",
            text: &request.system,
            cache_control: EPHEMERAL,
        }]),
        tools: (!tools.is_empty()).then_some(&request.tools),
        messages: &request.messages,
        stream: true,
        cache_control: EPHEMERAL,
        thinking: catalogue.thinking(&request.model),
        output_config: schema.map(|schema| OutputConfig { format: Format { r#type: "json_schema", schema } }),
    };
    serde_json::to_vec(&body).map_err(|error| refusal::ours(&format!("the request cannot be written: {error}")))
}

/// How many bytes of a request the model reads.
pub(crate) fn prompt_bytes(request: &ModelRequest) -> usize {
    let messages: usize = request.messages.iter().map(|message| message.as_str().len()).sum();
    let schema = request.output_schema.as_ref().map_or(0, |schema| schema.as_str().len());
    request.system.len() + request.tools.as_str().len() + messages + schema
}
