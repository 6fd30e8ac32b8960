//! Reads the assembled message.

use domain::{CacheMiss, ContentBlock, RawJson, ReplyDetails, StopReason};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The parts of a message that the program reads.
pub(super) struct ReplyParts {
    pub(super) content: Vec<ContentBlock>,
    pub(super) stop: StopReason,
    pub(super) details: ReplyDetails,
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

/// Reads a message. A block of a known type that lacks the form of that type is an error: passing over it could lose a tool
/// call.
pub(super) fn read(raw: &RawJson) -> serde_json::Result<ReplyParts> {
    let message: Message<'_> = raw.read()?;
    let content = message.content.iter().map(|block| serde_json::from_str(block.get())).collect::<Result<_, _>>()?;
    let diagnostics: Option<Diagnostics> = message.diagnostics.and_then(lenient);
    Ok(ReplyParts {
        content,
        stop: message.stop_reason,
        details: ReplyDetails {
            stop: message.stop_details.and_then(lenient),
            message_id: message.id,
            cache_miss: diagnostics.and_then(|diagnostics| diagnostics.cache_miss_reason).map(|reason| reason.r#type),
        },
    })
}

/// Reads a part that only explains the reply, or nothing if its form is unknown: that is no reason to lose the reply.
fn lenient<T: serde::de::DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(message: &str) -> serde_json::Result<ReplyParts> {
        read(&RawJson::parse(message)?)
    }

    #[test]
    fn blocks_are_read_by_type_and_unknown_types_are_kept() {
        let reply = parse(include_str!("../../fixtures/many-blocks.message.json").trim_end()).unwrap();
        let [
            ContentBlock::Thinking { thinking },
            ContentBlock::Other,
            ContentBlock::Text { text },
            ContentBlock::Other,
            ContentBlock::ToolUse { input, .. },
            ContentBlock::ToolUse { name, .. },
        ] = &reply.content[..]
        else {
            panic!("{:?}", reply.content)
        };
        assert_eq!((thinking.as_str(), text.as_str(), name.as_str()), ("Look at it", "Let me “see”.", "list"));
        assert_eq!((&input["path"], reply.stop), (&"a.rs".into(), StopReason::ToolUse));
    }

    #[test]
    fn a_malformed_tool_call_makes_the_reply_unreadable() {
        let message = |name: &str| {
            format!(r#"{{"content":[{{"type":"tool_use","id":"toolu_01",{name}"input":{{}}}}],"stop_reason":"later"}}"#)
        };
        assert_eq!(parse(&message(r#""name":"x","#)).unwrap().stop, StopReason::Other("later".to_owned()));
        assert!(parse(&message("")).is_err());
    }

    #[test]
    fn explanations_of_unknown_form_are_ignored() {
        let with =
            |more: &str| parse(&format!(r#"{{"id":"msg_1","content":[],"stop_reason":"refusal",{more}}}"#)).unwrap();
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
