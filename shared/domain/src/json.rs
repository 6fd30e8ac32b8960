//! JSON that must stay the same, byte for byte.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;

/// A JSON value as text, which is written again exactly as it was read.
///
/// Current models sign their thinking over everything before it, so what is sent back has to be what was received. A
/// round trip through [`serde_json::Value`] would change the spelling of numbers and the order of fields. Clones share the text,
/// and values that were read from one text share it too.
#[derive(Clone)]
pub struct RawJson {
    text: Arc<String>,
    /// Where the value stands in it.
    range: Range<usize>,
}

impl RawJson {
    /// # Errors
    /// When the text is not exactly one JSON value.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text.as_ref()).map(|value| Self::whole(value.get().to_owned()))
    }

    /// Serializes a value.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self::whole)
    }

    fn whole(text: String) -> Self {
        Self { range: 0..text.len(), text: Arc::new(text) }
    }

    /// A part of a text that this program wrote as JSON and has read back unchanged, which is neither parsed again nor copied: a
    /// long conversation is read for every turn. None when the text has no such part.
    pub(crate) fn written_before(text: &Arc<String>, range: Range<usize>) -> Option<Self> {
        text.get(range.clone())?;
        Some(Self { text: Arc::clone(text), range })
    }

    pub fn as_str(&self) -> &str {
        &self.text[self.range.clone()]
    }

    /// Deserializes the value.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: &RawValue = serde_json::from_str(self.as_str()).map_err(ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|value| Self::whole(Box::<str>::from(value).into()))
    }
}

/// Serializes a [`RawJson`] as a JSON string, for fields inside of tagged enums: serde reads those through a buffer that
/// cannot hold raw JSON.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::RawJson;

    pub(crate) fn serialize<S: Serializer>(json: &RawJson, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(json.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RawJson, D::Error> {
        RawJson::parse(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
