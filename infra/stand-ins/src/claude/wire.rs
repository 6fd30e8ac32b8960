//! A reply as server-sent events.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::answer::{Answer, Block};

/// The events of a reply, each as it is sent. `piece_size` is the length of a delta in characters.
pub(crate) fn events(answer: &Answer, piece_size: usize) -> Vec<String> {
    let mut events = vec![event(&json!({ "type": "message_start", "message": answer.message_start() }))];
    for (index, block) in answer.blocks.iter().enumerate() {
        let (start, kind, field) = block_start(block);
        events.push(event(&json!({ "type": "content_block_start", "index": index, "content_block": start })));
        if index == 0 {
            events.push(event(&json!({ "type": "ping" })));
        }
        let mut delta = |delta: Value| {
            events.push(event(&json!({ "type": "content_block_delta", "index": index, "delta": delta })));
        };
        if kind == "input_json_delta" {
            delta(json!({ "type": kind, "partial_json": "" }));
        }
        // For a tool call without input the service sends only an empty delta.
        if block.output() != "{}" {
            for piece in pieces(block.output(), piece_size) {
                delta(json!({ "type": kind, field: piece }));
            }
        }
        if let Block::Thinking { signature, .. } = block {
            delta(json!({ "type": "signature_delta", "signature": signature }));
        }
        events.push(event(&json!({ "type": "content_block_stop", "index": index })));
    }
    events.push(event(&json!({
        "type": "message_delta",
        "delta": { "stop_reason": answer.stop.name(), "stop_sequence": null, "stop_details": answer.stop_details() },
        "usage": answer.prompt.final_usage(answer.output_tokens),
    })));
    events.push(event(&json!({ "type": "message_stop" })));
    events
}

/// The block in `content_block_start`, and the type and the text field of its deltas.
fn block_start(block: &Block) -> (Value, &'static str, &'static str) {
    match block {
        Block::Thinking { .. } => {
            (json!({ "type": "thinking", "thinking": "", "signature": "" }), "thinking_delta", "thinking")
        }
        Block::Text(_) => (json!({ "type": "text", "text": "", "citations": null }), "text_delta", "text"),
        Block::ToolUse { id, name, .. } => {
            let caller = json!({ "type": "direct" });
            let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {}, "caller": caller });
            (block, "input_json_delta", "partial_json")
        }
        Block::Raw { block, .. } => {
            let mut block = block.clone();
            let is_call = block.get("type").is_some_and(|kind| kind == "tool_use");
            if is_call {
                block.insert("input".to_owned(), json!({}));
            }
            // Other blocks come whole, without a delta.
            let (kind, field) = if is_call { ("input_json_delta", "partial_json") } else { ("text_delta", "text") };
            (Value::Object(block), kind, field)
        }
    }
}

/// The output tokens in these events, at four bytes per token.
pub(crate) fn tokens_of(events: &[String]) -> u64 {
    let output_bytes = |event: &String| {
        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
        let data: Value = data.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        let parts = ["text", "thinking", "partial_json", "content"]
            .map(|name| data["delta"][name].as_str().map_or(0, str::len));
        parts.into_iter().sum::<usize>() as u64
    };
    // `message_start` already counts one token.
    events.iter().map(output_bytes).sum::<u64>().div_ceil(4).max(u64::from(!events.is_empty()))
}

/// One event. Some lines end in spaces, as recordings of the real service show.
pub(crate) fn event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or("message");
    let data = data.to_string();
    let spaces = " ".repeat(data.len() % 4);
    format!("event: {name}\ndata: {data}{spaces}\n\n")
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// Splits a text within each character that is encoded as more than one byte.
pub(crate) fn split_characters(text: &str) -> Vec<Bytes> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let mut pieces = Vec::new();
    let mut start = 0;
    for (position, character) in text.char_indices().filter(|(_, character)| character.len_utf8() > 1) {
        let inside = position + character.len_utf8() / 2;
        pieces.push(bytes.slice(start..inside));
        start = inside;
    }
    pieces.push(bytes.slice(start..));
    pieces
}
