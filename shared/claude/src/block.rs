//! One content block while it is being streamed.

use domain::ReplyPiece;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::assembly::INCOMPLETE_INPUT;
use crate::object::Object;

/// A block of a known or unknown type, with every field it came with.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) object: Object,
    /// The pieces of a tool's input so far.
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
    pub(crate) fn start(object: Object) -> Self {
        Self { object, input: None, open: true }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Takes a delta; gives the number of bytes it added to what the model wrote.
    pub(crate) fn add(&mut self, delta: &RawValue, live: &dyn Fn(ReplyPiece<'_>)) -> serde_json::Result<usize> {
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

    /// A delta of a type we do not know: its texts continue the fields of the same names, a `citation` joins the
    /// `citations`, and everything else takes the place of what was there.
    fn add_unknown(&mut self, delta: Object) -> serde_json::Result<()> {
        let citations = delta.text("type").as_deref() == Some("citations_delta");
        for (name, value) in delta.into_raw_fields().filter(|(name, _)| name != "type") {
            if citations && name == "citation" {
                self.object.push("citations", value)?;
            } else if let Ok(text) = serde_json::from_str::<String>(value.get()) {
                self.object.append_text(&name, &text);
            } else {
                self.object.set(&name, value);
            }
        }
        Ok(())
    }

    /// The block is complete; a tool's input is now read.
    pub(crate) fn stop(&mut self) -> serde_json::Result<()> {
        self.open = false;
        let Some(input) = self.input.take() else {
            return Ok(());
        };
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
