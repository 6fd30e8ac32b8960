//! From the assembled message to the reply.

use domain::{ContentBlock, RawJson, StopReason};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What is read of a message.
pub(crate) struct Reading {
    pub(crate) content: Vec<ContentBlock>,
    pub(crate) stop: StopReason,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
    stop_reason: StopReason,
}

/// Reads a message. A block that is of a known type but not of its form makes the reply unreadable: to take it for
/// something else would be to lose a tool call.
pub(crate) fn read(raw: &RawJson) -> serde_json::Result<Reading> {
    let message: Message<'_> = raw.read()?;
    let content = message.content.iter().map(|block| serde_json::from_str(block.get())).collect::<Result<_, _>>()?;
    Ok(Reading { content, stop: message.stop_reason })
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
}
