//! From the assembled message to the reply.

use domain::{CacheMiss, ContentBlock, RawJson, ReplyDetails, StopReason};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What is read of a message.
pub(crate) struct Reading {
    pub(crate) content: Vec<ContentBlock>,
    pub(crate) stop: StopReason,
    pub(crate) details: ReplyDetails,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
    stop_reason: StopReason,
    id: Option<String>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
    #[serde(borrow)]
    diagnostics: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Diagnostics {
    cache_miss_reason: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    r#type: CacheMiss,
}

/// Reads a message. A block that is of a known type but not of its form makes the reply unreadable: to take it for
/// something else would be to lose a tool call.
pub(crate) fn read(raw: &RawJson) -> serde_json::Result<Reading> {
    let message: Message<'_> = raw.read()?;
    let content = message.content.iter().map(|block| serde_json::from_str(block.get())).collect::<Result<_, _>>()?;
    let diagnostics: Option<Diagnostics> = message.diagnostics.and_then(lenient);
    Ok(Reading {
        content,
        stop: message.stop_reason,
        details: ReplyDetails {
            stop: message.stop_details.and_then(lenient),
            message_id: message.id,
            cache_miss: diagnostics.and_then(|diagnostics| diagnostics.cache_miss_reason).map(|reason| reason.r#type),
        },
    })
}

/// What only explains a reply is no reason to refuse it when it is of another form than we know.
fn lenient<T: serde::de::DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(message: &str) -> serde_json::Result<Reading> {
        read(&RawJson::parse(message)?)
    }

    #[test]
    fn blocks_are_read_by_their_type_and_unknown_ones_left_alone() {
        let reading = reading(include_str!("../fixtures/many-blocks.message.json").trim_end()).unwrap();
        let [
            ContentBlock::Thinking { thinking },
            ContentBlock::Other,
            ContentBlock::Text { text },
            ContentBlock::Other,
            ContentBlock::ToolUse { input, .. },
            ContentBlock::ToolUse { name, .. },
        ] = &reading.content[..]
        else {
            panic!("{:?}", reading.content)
        };
        assert_eq!((thinking.as_str(), text.as_str(), name.as_str()), ("Look at it", "Let me “see”.", "list"));
        assert_eq!((&input["path"], reading.stop), (&"a.rs".into(), StopReason::ToolUse));
    }

    #[test]
    fn a_tool_call_that_cannot_be_read_is_not_passed_over() {
        let message = |id: &str| {
            format!(
                r#"{{"content":[{{"type":"tool_use","id":"{id}","name":"x","input":{{}}}}],"stop_reason":"later"}}"#
            )
        };
        assert_eq!(reading(&message("toolu_01")).unwrap().stop, StopReason::Other("later".to_owned()));
        assert!(reading(&message("../../etc")).is_err());
    }

    #[test]
    fn explanations_are_read_as_far_as_they_are_understood() {
        let with =
            |more: &str| reading(&format!(r#"{{"id":"msg_1","content":[],"stop_reason":"refusal",{more}}}"#)).unwrap();
        let refused = with(r#""stop_details":{"type":"refusal","category":"cyber","explanation":"No.","more":1}"#);
        let details = refused.details.stop.unwrap();
        assert_eq!((details.category.as_deref(), details.explanation.as_deref()), (Some("cyber"), Some("No.")));
        let reason = |kind: &str| {
            with(&format!(r#""diagnostics":{{"cache_miss_reason":{{"type":"{kind}","cache_missed_input_tokens":5}}}}"#))
        };
        assert_eq!(reason("tools_changed").details.cache_miss, Some(CacheMiss::ToolsChanged));
        assert_eq!(reason("moon_changed").details.cache_miss, Some(CacheMiss::Other("moon_changed".to_owned())));
        let odd = with(r#""diagnostics":{"cache_miss_reason":null},"stop_details":"odd""#);
        assert_eq!(odd.details, ReplyDetails { message_id: Some("msg_1".to_owned()), ..ReplyDetails::default() });
    }
}
