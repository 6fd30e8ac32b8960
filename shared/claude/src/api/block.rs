//! One content block of a streamed reply.

use domain::{INCOMPLETE_INPUT, ReplyPiece};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::Object;

/// A block of any type, with every field that arrived.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) object: Object,
    /// The JSON text of a tool's input so far.
    input: Option<String>,
    open: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(other)]
    Other,
}

impl Block {
    pub(super) fn start(object: Object) -> Self {
        Self { object, input: None, open: true }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Applies a delta and returns the bytes that it adds to the model's output.
    pub(super) fn add(&mut self, delta: &RawValue, live: &dyn Fn(ReplyPiece<'_>)) -> serde_json::Result<usize> {
        Ok(match serde_json::from_str(delta.get())? {
            Delta::Text { text } => {
                self.object.append_text("text", &text);
                live(ReplyPiece::Text(&text));
                text.len()
            }
            Delta::Thinking { thinking } => {
                self.object.append_text("thinking", &thinking);
                live(ReplyPiece::Thinking(&thinking));
                thinking.len()
            }
            Delta::Signature { signature } => {
                self.object.set_text("signature", signature);
                0
            }
            Delta::InputJson { partial_json } => {
                self.input.get_or_insert_default().push_str(&partial_json);
                partial_json.len()
            }
            Delta::Other => {
                self.add_unknown(serde_json::from_str(delta.get())?)?;
                delta.get().len()
            }
        })
    }

    /// Applies a delta of an unknown type: its strings are appended to the fields of the same name, a `citation` is appended to
    /// `citations`, every other value replaces the field of its name.
    fn add_unknown(&mut self, delta: Object) -> serde_json::Result<()> {
        let is_citation = delta.text("type").as_deref() == Some("citations_delta");
        for (name, value) in delta.into_raw_fields().filter(|(name, _)| name != "type") {
            if is_citation && name == "citation" {
                self.object.push("citations", value)?;
            } else if let Ok(text) = serde_json::from_str::<String>(value.get()) {
                self.object.append_text(&name, &text);
            } else {
                self.object.set(&name, value);
            }
        }
        Ok(())
    }

    /// Closes the block. Only now is a tool's input complete and can be parsed.
    pub(super) fn stop(&mut self) -> serde_json::Result<()> {
        self.open = false;
        let Some(input) = self.input.take() else {
            return Ok(());
        };
        // A tool without parameters gets no delta, or only empty ones.
        let text = if input.trim().is_empty() { "{}".to_owned() } else { input };
        let parsed = RawValue::from_string(text.clone()).ok().filter(|raw| raw.get().trim_start().starts_with('{'));
        let input = match parsed {
            Some(raw) => raw,
            None => serde_json::value::to_raw_value(&serde_json::json!({ INCOMPLETE_INPUT: text }))?,
        };
        self.object.set("input", input);
        Ok(())
    }
}
