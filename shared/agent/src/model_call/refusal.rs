//! Replies that the run cannot use: the model refused, or its window is full.

use domain::text::shorten;
use domain::{ContentBlock, ErrorCode, ModelReply, StepError, StopReason};

/// Maximum length of a refusal's explanation in an error message.
const MAX_REASON_CHARACTERS: usize = 500;

/// The error that a reply stands for, if the run cannot use it.
pub(crate) fn unusable(reply: &ModelReply) -> Option<StepError> {
    match reply.stop {
        StopReason::Refusal => {
            let text = reply.content.iter().find_map(|block| match block {
                ContentBlock::Text { text } => Some(shorten(text, MAX_REASON_CHARACTERS).into_owned()),
                ContentBlock::Thinking { .. } | ContentBlock::ToolUse { .. } | ContentBlock::Other => None,
            });
            let (category, explanation) = details(reply);
            let category = category.map_or_else(String::new, |category| format!(" ({category})"));
            let reason = explanation.or(text).unwrap_or_else(|| "it gave no reason".to_owned());
            let message = format!("the model declined to continue{category}: {reason}");
            Some(StepError::terminal(ErrorCode::ModelRefusal, message))
        }
        StopReason::ModelContextWindowExceeded => {
            Some(StepError::terminal(ErrorCode::ContextExhausted, "the conversation fills the model's window"))
        }
        StopReason::EndTurn
        | StopReason::ToolUse
        | StopReason::MaxTokens
        | StopReason::StopSequence
        | StopReason::PauseTurn
        | StopReason::Other(_) => None,
    }
}

/// The category and the explanation that the service gives for a refusal.
fn details(reply: &ModelReply) -> (Option<String>, Option<String>) {
    let Some(details) = reply.details.stop.clone() else { return (None, None) };
    let explanation = details.explanation.filter(|text| !text.trim().is_empty());
    (details.category, explanation.map(|text| shorten(&text, MAX_REASON_CHARACTERS).into_owned()))
}

#[cfg(test)]
mod tests {
    use domain::{MicroDollars, RawJson, Usage};

    use super::*;

    #[test]
    fn a_refusal_is_reported_with_the_services_explanation() {
        let message = |details: &str| {
            let raw = RawJson::parse(r#"{"content":[]}"#).unwrap();
            let stop = serde_json::from_str(details).unwrap();
            let reply = ModelReply {
                raw,
                content: Vec::new(),
                stop: StopReason::Refusal,
                usage: Usage::default(),
                cost: MicroDollars::default(),
                request_id: None,
                first_content_after: None,
                details: Box::new(domain::ReplyDetails { stop, ..domain::ReplyDetails::default() }),
            };
            unusable(&reply).unwrap().to_string()
        };
        assert_eq!(
            message(r#"{"type":"refusal","category":"cyber","explanation":"It asks for an exploit."}"#),
            "ModelRefusal: the model declined to continue (cyber): It asks for an exploit."
        );
        for nothing in ["null", r#"{"type":"refusal","category":null,"explanation":null}"#] {
            assert_eq!(message(nothing), "ModelRefusal: the model declined to continue: it gave no reason");
        }
    }
}
