//! A JSON object whose fields keep their order and, unless changed, their bytes.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The fields of an object in the order in which they arrived.
///
/// `serde_json::Value` would rewrite numbers beyond 64 bits and unusual escapes, and a reply has to be sent back exactly as the
/// service signed it.
#[derive(Debug, Default)]
pub(super) struct Object(Vec<(String, Field)>);

#[derive(Debug)]
enum Field {
    /// Exactly as received.
    Raw(Box<RawValue>),
    /// A string that grows during the stream.
    Text(String),
}

impl Object {
    /// A field as received; `None` also for a string that was set or appended to.
    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        match self.field(name)? {
            Field::Raw(raw) => Some(raw),
            Field::Text(_) => None,
        }
    }

    /// The value of a string field.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.field(name)? {
            Field::Raw(raw) => serde_json::from_str(raw.get()).ok(),
            Field::Text(text) => Some(text.clone()),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Box<RawValue>) {
        *self.slot(name) = Field::Raw(value);
    }

    pub(super) fn set_text(&mut self, name: &str, text: String) {
        *self.slot(name) = Field::Text(text);
    }

    /// Appends to a string field; a field that is absent or not a string is replaced by `more`.
    pub(super) fn append_text(&mut self, name: &str, more: &str) {
        let slot = self.slot(name);
        if let Field::Raw(raw) = slot {
            *slot = Field::Text(serde_json::from_str(raw.get()).unwrap_or_default());
        }
        if let Field::Text(text) = slot {
            text.push_str(more);
        }
    }

    /// Appends to an array field; a field that is absent or not an array is replaced by `[value]`.
    pub(super) fn push(&mut self, name: &str, value: Box<RawValue>) -> serde_json::Result<()> {
        let items = self.get(name).map(|raw| serde_json::from_str(raw.get()));
        let mut items: Vec<Box<RawValue>> = items.and_then(Result::ok).unwrap_or_default();
        items.push(value);
        self.set(name, serde_json::value::to_raw_value(&items)?);
        Ok(())
    }

    /// The fields as received; strings that were set or appended to are left out.
    pub(super) fn into_raw_fields(self) -> impl Iterator<Item = (String, Box<RawValue>)> {
        self.0.into_iter().filter_map(|(name, field)| match field {
            Field::Raw(raw) => Some((name, raw)),
            Field::Text(_) => None,
        })
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, field)| field)
    }

    fn slot(&mut self, name: &str) -> &mut Field {
        let index = self.0.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.0.push((name.to_owned(), Field::Text(String::new())));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    fields.push((name, Field::Raw(value)));
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, field) in &self.0 {
            match field {
                Field::Raw(raw) => map.serialize_entry(name, raw)?,
                Field::Text(text) => map.serialize_entry(name, text)?,
            }
        }
        map.end()
    }
}
