//! The models on offer, `data/claude-models.json`.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

/// A model, with limits in tokens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Model {
    pub(crate) id: String,
    display_name: String,
    created_at: String,
    pub(crate) context_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) thinking: Thinking,
}

/// The types of `thinking` that a model accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Thinking {
    /// `adaptive` only: it always thinks. It refuses a forced tool choice, too.
    Always,
    /// `adaptive` and `between_tools`.
    AlwaysOrBetweenTools,
    /// `adaptive`, `enabled` and `disabled`; without the field it does not think.
    Optional,
    /// `enabled`, with a budget of tokens, and `disabled`; without the field it does not think.
    Budget,
}

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    // The file is compiled in, and a test parses it, so the default is never used.
    serde_json::from_str(include_str!("../../data/claude-models.json")).unwrap_or_default()
});

impl Model {
    pub(crate) fn all() -> &'static [Self] {
        &MODELS
    }

    pub(crate) fn find(id: &str) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.id == id)
    }

    /// Whether the model is of the newest generation, which refuses some of what older models accept.
    pub(crate) fn is_current(&self) -> bool {
        match self.thinking {
            Thinking::Always | Thinking::AlwaysOrBetweenTools => true,
            Thinking::Optional | Thinking::Budget => false,
        }
    }

    /// The object that `GET /v1/models` returns.
    pub(crate) fn view(&self) -> Value {
        json!({
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "created_at": self.created_at,
            "max_input_tokens": self.context_tokens,
            "max_tokens": self.output_tokens,
            "lifecycle": "active",
            "capabilities": self.capabilities(),
        })
    }

    fn capabilities(&self) -> Value {
        let supported = |supported: bool| json!({ "supported": supported });
        let (yes, no) = (supported(true), supported(false));
        let (adaptive, between_tools, disabled, enabled) = match self.thinking {
            Thinking::Always => (true, false, false, false),
            Thinking::AlwaysOrBetweenTools => (true, true, false, false),
            Thinking::Optional => (true, false, true, true),
            Thinking::Budget => (false, false, true, true),
        };
        let efforts = supported(adaptive);
        json!({
            "batch": yes,
            "citations": yes,
            "code_execution": no,
            "context_management": { "supported": false },
            "effort": {
                "supported": adaptive, "low": efforts, "medium": efforts, "high": efforts, "xhigh": efforts, "max": efforts,
            },
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": { "supported": false, "code_execution": no, "web_search": no },
            "structured_outputs": yes,
            "thinking": { "supported": true, "types": {
                "adaptive": supported(adaptive),
                "between_tools": supported(between_tools),
                "disabled": supported(disabled),
                "enabled": supported(enabled),
            } },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_models_can_be_parsed() {
        assert!(Model::find("claude-sonnet-5-5").is_some_and(Model::is_current));
    }
}
