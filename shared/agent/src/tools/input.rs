//! Reads the input of a call as the tool's schema describes it.
//!
//! Models write inputs that deviate from the schema and still have one meaning: a number or a list as text, `null` for a field
//! that is left out, fields of other agents' tools. These are taken as what they mean. What has more than one meaning is refused
//! with a sentence that says what the field takes.

use domain::INCOMPLETE_INPUT;
use domain::text::{one_line, shorten};
use serde_json::{Map, Number, Value};

/// Maximum length of a value that a refusal quotes.
const MAX_QUOTED_CHARACTERS: usize = 80;

/// Characters that are quoted on either side of the place where an input stops to be JSON.
const NEAR_CHARACTERS: usize = 20;

/// The sentence about an input that was not JSON. None for one that was.
pub(super) fn not_json(input: &Value) -> Option<String> {
    let text = input.get(INCOMPLETE_INPUT)?.as_str()?;
    let reason = match serde_json::from_str::<Value>(text) {
        Ok(_) => "it is not an object".to_owned(),
        Err(error) => format!("{error}, near `{}`", one_line(&near(text, error.line(), error.column()))),
    };
    Some(format!(
        "The input of this call was not a valid JSON object: {reason}. Nothing was run. Write the call again."
    ))
}

/// The input with every value in the form that `schema` describes. The error is a clause that names the field.
pub(super) fn normalized(input: &Value, schema: &Value) -> Result<Value, String> {
    read(input.clone(), schema, "")
}

fn read(value: Value, schema: &Value, place: &str) -> Result<Value, String> {
    let wrong = |value: &Value| {
        let place = if place.is_empty() { "it" } else { place };
        let shown = value.to_string();
        Err(format!("{place} must be {}, not {}", expected(schema), shorten(&shown, MAX_QUOTED_CHARACTERS)))
    };
    match (kind(schema), value) {
        ("object", Value::Object(fields)) => object(fields, schema, place),
        ("array", Value::Array(items)) => {
            let of_item = |(index, item)| read(item, &schema["items"], &format!("{place}[{index}]"));
            items.into_iter().enumerate().map(of_item).collect()
        }
        // A list or an object as JSON text. Where text is expected, text that looks like JSON stays text.
        (kind @ ("object" | "array"), Value::String(text)) => match serde_json::from_str(&text) {
            Ok(inner @ Value::Array(_)) if kind == "array" => read(inner, schema, place),
            Ok(inner @ Value::Object(_)) if kind == "object" => read(inner, schema, place),
            Ok(_) | Err(_) => wrong(&Value::String(text)),
        },
        ("string", Value::Number(number)) => Ok(Value::String(number.to_string())),
        ("string", Value::Bool(flag)) => Ok(Value::String(flag.to_string())),
        ("string", value @ Value::String(_)) | ("boolean", value @ Value::Bool(_)) => Ok(value),
        ("integer", value @ (Value::Number(_) | Value::String(_))) => match integer(&value) {
            Some(number) => Ok(Value::Number(number)),
            None => wrong(&value),
        },
        ("boolean", Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => wrong(&Value::String(text)),
        },
        (_, value) => wrong(&value),
    }
}

/// Unknown fields are passed over; a field that is `null` is one that was left out.
fn object(fields: Map<String, Value>, schema: &Value, place: &str) -> Result<Value, String> {
    let known = &schema["properties"];
    let mut read_fields = Map::new();
    let mut unknown = Vec::new();
    for (name, value) in fields {
        match known.get(&name) {
            None => unknown.push(name),
            Some(_) if value.is_null() => {}
            Some(schema) => {
                let place = if place.is_empty() { format!("`{name}`") } else { format!("`{name}` of {place}") };
                drop(read_fields.insert(name, read(value, schema, &place)?));
            }
        }
    }
    let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing = required.find(|name| !read_fields.contains_key(*name));
    if missing.is_none() && (unknown.is_empty() || !read_fields.is_empty()) {
        return Ok(Value::Object(read_fields));
    }
    let of = if place.is_empty() { String::new() } else { format!(" of {place}") };
    let mut refusal = match missing {
        Some(name) => format!("`{name}`{of} is missing: it must be {}", expected(&known[name])),
        None => format!("none of its fields{of} is known"),
    };
    if !unknown.is_empty() {
        let names: Vec<String> =
            known.as_object().into_iter().flat_map(Map::keys).map(|name| format!("`{name}`")).collect();
        let unknown: Vec<String> = unknown.iter().map(|name| format!("unknown field `{name}`")).collect();
        let unknown = shorten(&unknown.join(", "), MAX_QUOTED_CHARACTERS).into_owned();
        refusal.push_str(&format!(" ({unknown}; the fields are {})", names.join(", ")));
    }
    Err(refusal)
}

/// The whole number that a value means.
fn integer(value: &Value) -> Option<Number> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let whole = text.split_once('.').filter(|(_, fraction)| fraction.bytes().all(|digit| digit == b'0'));
    let whole = whole.map_or(text.as_str(), |(whole, _)| whole);
    whole.parse::<i64>().ok().map(Number::from)
}

fn kind(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or_default()
}

fn expected(schema: &Value) -> String {
    match kind(schema) {
        "object" => "an object".to_owned(),
        "array" => format!("a list, in which each item is {}", expected(&schema["items"])),
        "integer" => "a whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        _ => "text".to_owned(),
    }
}

/// The text around a place that is given in lines and bytes, both from 1.
fn near(text: &str, line: usize, column: usize) -> String {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = text.floor_char_boundary(start + column.saturating_sub(1));
    let before: Vec<char> = text[..at].chars().rev().take(NEAR_CHARACTERS).collect();
    before.into_iter().rev().chain(text[at..].chars().take(NEAR_CHARACTERS)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["path"],
            "properties": {
                "path": { "type": "string" },
                "line": { "type": "integer" },
                "all": { "type": "boolean" },
                "range": { "type": "array", "items": { "type": "integer" } },
                "items": { "type": "array", "items": {
                    "type": "object", "required": ["content"], "properties": { "content": { "type": "string" } }
                }}
            }
        })
    }

    #[test]
    fn what_has_one_meaning_is_taken() {
        for (written, meant) in [
            (json!({ "path": "a", "line": "3" }), json!({ "path": "a", "line": 3 })),
            (json!({ "path": "a", "line": 3.0 }), json!({ "path": "a", "line": 3 })),
            (json!({ "path": "a", "line": " -1 " }), json!({ "path": "a", "line": -1 })),
            (json!({ "path": "a", "range": "[1, 2]" }), json!({ "path": "a", "range": [1, 2] })),
            (json!({ "path": "a", "range": ["1", "2"] }), json!({ "path": "a", "range": [1, 2] })),
            (json!({ "path": "a", "all": "True" }), json!({ "path": "a", "all": true })),
            (json!({ "path": "a", "all": null, "line": null }), json!({ "path": "a" })),
            (json!({ "path": "a", "description": "why", "timeout": 5 }), json!({ "path": "a" })),
            (json!({ "path": 5 }), json!({ "path": "5" })),
            (json!({ "path": "[1, 2]" }), json!({ "path": "[1, 2]" })),
            (json!({ "path": "{\"a\": 1}" }), json!({ "path": "{\"a\": 1}" })),
            (
                json!({ "path": "a", "items": "[{\"content\": \"x\", \"activeForm\": \"y\"}]" }),
                json!({ "path": "a", "items": [{ "content": "x" }] }),
            ),
            (json!("{\"path\": \"a\"}"), json!({ "path": "a" })),
        ] {
            assert_eq!(normalized(&written, &schema()), Ok(meant), "{written}");
        }
    }

    #[test]
    fn what_has_no_single_meaning_is_refused_with_what_was_expected() {
        for (written, refusal) in [
            (json!([]), "it must be an object, not []"),
            (json!({}), "`path` is missing: it must be text"),
            (json!({ "path": null }), "`path` is missing: it must be text"),
            (json!({ "path": ["ls", "-l"] }), "`path` must be text, not [\"ls\",\"-l\"]"),
            (json!({ "path": "a", "line": "3a" }), "`line` must be a whole number, not \"3a\""),
            (json!({ "path": "a", "line": 3.5 }), "`line` must be a whole number, not 3.5"),
            (json!({ "path": "a", "all": "yes" }), "`all` must be true or false, not \"yes\""),
            (
                json!({ "path": "a", "range": "1-2" }),
                "`range` must be a list, in which each item is a whole number, not \"1-2\"",
            ),
            (
                json!({ "path": "a", "items": [{ "text": "x" }] }),
                "`content` of `items`[0] is missing: it must be text (unknown field `text`; the fields are `content`)",
            ),
        ] {
            assert_eq!(normalized(&written, &schema()), Err(refusal.to_owned()), "{written}");
        }
    }

    #[test]
    fn broken_json_is_reported_with_its_place() {
        let broken = |text: &str| not_json(&json!({ INCOMPLETE_INPUT: text })).unwrap();
        let sentence = broken("{\"command\": \"echo hi\" \"x\"}");
        assert!(sentence.contains("expected `,` or `}` at line 1 column 23, near `"), "{sentence}");
        assert!(sentence.contains("Nothing was run"), "{sentence}");
        assert!(broken("[1]").contains("it is not an object"));
        assert!(broken("{\n \"ä\": é").contains("line 2"));
        assert_eq!(not_json(&json!({ "command": "ls" })), None);
    }
}
