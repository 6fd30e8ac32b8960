//! What is sent back of a reply: all of it, byte for byte, but for what the service does not take back.
//!
//! - A text without a visible character is left out.
//! - A tool call has the id that its event records ([`call_ids`](crate::call_ids)); one without an event is left out.
//! - A tool's name has only characters that the service allows in it, and a tool's input is an object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::call_ids::is_word;
use crate::{CallId, RawJson};

/// Maximum length of a tool's name, the service's limit.
const MAX_NAME_CHARACTERS: usize = 128;

/// The assistant message that sends a stored reply back; none when nothing of it is sent. `calls` are the ids of its tool
/// calls, in its order.
pub(super) fn sent_back(reply: &str, calls: &[CallId]) -> Result<Option<RawJson>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Received<'a> {
        #[serde(borrow)]
        content: &'a RawValue,
    }
    #[derive(Serialize)]
    struct Message<T> {
        role: &'static str,
        content: T,
    }
    let Received { content } = serde_json::from_str(reply)?;
    let blocks: Vec<&RawValue> = serde_json::from_str(content.get())?;
    let mut ids = calls.iter();
    let mut sent: Vec<Cow<'_, RawValue>> = Vec::with_capacity(blocks.len());
    for block in &blocks {
        sent.extend(sent_block(block, &mut ids)?);
    }
    let is_as_received = sent.len() == blocks.len() && sent.iter().all(|block| matches!(block, Cow::Borrowed(_)));
    if sent.is_empty() {
        Ok(None)
    } else if is_as_received {
        RawJson::of(&Message { role: "assistant", content }).map(Some)
    } else {
        RawJson::of(&Message { role: "assistant", content: sent }).map(Some)
    }
}

fn sent_block<'a>(
    block: &'a RawValue,
    ids: &mut impl Iterator<Item = &'a CallId>,
) -> Result<Option<Cow<'a, RawValue>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Block<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Text<'a> {
        #[serde(borrow)]
        text: Cow<'a, str>,
    }
    let Block { kind } = serde_json::from_str(block.get())?;
    match kind.as_ref() {
        "text" => {
            let Text { text } = serde_json::from_str(block.get())?;
            Ok((!text.trim().is_empty()).then_some(Cow::Borrowed(block)))
        }
        "tool_use" => ids.next().map(|id| sent_call(block, id)).transpose(),
        _ => Ok(Some(Cow::Borrowed(block))),
    }
}

/// A tool call with this id, and with the fields that the service takes back.
fn sent_call<'a>(block: &'a RawValue, id: &CallId) -> Result<Cow<'a, RawValue>, serde_json::Error> {
    // Reads no more than it takes to recognize a call that is fine: inputs may be long.
    #[derive(Deserialize)]
    struct Call<'a> {
        #[serde(default)]
        id: String,
        name: String,
        #[serde(borrow)]
        input: Option<&'a RawValue>,
    }
    let call: Call<'_> = serde_json::from_str(block.get())?;
    let has_object = call.input.is_some_and(|input| input.get().starts_with('{'));
    if call.id == id.as_str() && is_name(&call.name) && has_object {
        return Ok(Cow::Borrowed(block));
    }
    let mut fields: Fields = serde_json::from_str(block.get())?;
    fields.set("id", to_raw_value(id)?);
    if !is_name(&call.name) {
        fields.set("name", to_raw_value(&allowed_name(&call.name))?);
    }
    if !has_object {
        fields.set("input", RawValue::from_string("{}".to_owned())?);
    }
    to_raw_value(&fields).map(Cow::Owned)
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_CHARACTERS).contains(&name.len()) && is_word(name)
}

/// The name with every other character replaced. There is no such tool, which the call's result says.
fn allowed_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(MAX_NAME_CHARACTERS).map(allowed).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// The fields of an object in their order, each as it is written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(content: &str, ids: &[&str]) -> Option<String> {
        let ids: Vec<CallId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        let reply = format!(r#"{{"id": "msg_1", "content": {content}}}"#);
        sent_back(&reply, &ids).unwrap().map(|message| {
            let content = message.as_str().strip_prefix(r#"{"role":"assistant","content":"#).unwrap();
            content.strip_suffix('}').unwrap().to_owned()
        })
    }

    #[test]
    fn a_valid_reply_is_sent_back_byte_for_byte() {
        let content = r#"[ {"type":"thinking","thinking":"","signature":"s"},{"type":"text", "text":" x\u0061 "} ,{"type":"new","x":1.50},
            {"type":"tool_use","id":"toolu_1","name":"bash","input": {"b":1, "a":2},"caller":{"type":"direct"}}]"#;
        assert_eq!(sent(content, &["toolu_1"]).as_deref(), Some(content));
    }

    #[test]
    fn what_the_service_refuses_is_left_out_and_the_rest_stays() {
        let blank = r#"[{"type":"text","text":""},{"type":"new", "x":1.50},{"type":"text","text":"\n \t"}]"#;
        assert_eq!(sent(blank, &[]).as_deref(), Some(r#"[{"type":"new", "x":1.50}]"#));
        assert_eq!(sent(r#"[{"type":"text","text":"\n"}]"#, &[]), None);
        assert_eq!(sent("[]", &[]), None);
        let unrecorded = r#"[{"type":"text","text":"x"},{"type":"tool_use","id":"a","name":"bash","input":{}}]"#;
        assert_eq!(sent(unrecorded, &[]).as_deref(), Some(r#"[{"type":"text","text":"x"}]"#));
    }

    #[test]
    fn a_call_has_the_recorded_id_an_allowed_name_and_an_object_as_input() {
        let calls = r#"[{"type":"tool_use","name":"bash","id":"a","input": {"x":1.50}},{"type":"tool_use","name":"bash","id":"a","input": {"x":1.50}}]"#;
        let named = r#"[{"type":"tool_use","name":"bash","id":"a","input": {"x":1.50}},{"type":"tool_use","name":"bash","id":"b","input":{"x":1.50}}]"#;
        assert_eq!(sent(calls, &["a", "b"]).as_deref(), Some(named));
        let odd = r#"[{"type":"tool_use","name":"functions.bash:0","input":null}]"#;
        let allowed = r#"[{"type":"tool_use","name":"functions_bash_0","input":{},"id":"a"}]"#;
        assert_eq!(sent(odd, &["a"]).as_deref(), Some(allowed));
    }
}
