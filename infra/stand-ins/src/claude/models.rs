//! The models that are offered: `data/claude-models.json`.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

/// A model with its limits.
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

/// How a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Thinking {
    /// Always, and in no other way; forced tool choice is refused too.
    Always,
    /// Always, or only between tools.
    AlwaysOrBetweenTools,
    /// When asked to.
    Optional,
    /// When asked to, with a budget.
    Budget,
}

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    // The file is part of the program; a test reads it.
    serde_json::from_str(include_str!("../../data/claude-models.json")).unwrap_or_default()
});

impl Model {
    pub(crate) fn all() -> &'static [Self] {
        &MODELS
    }

    pub(crate) fn find(id: &str) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.id == id)
    }

    /// Of the newest kind, which refuses what older ones took.
    pub(crate) fn is_current(&self) -> bool {
        match self.thinking {
            Thinking::Always | Thinking::AlwaysOrBetweenTools => true,
            Thinking::Optional | Thinking::Budget => false,
        }
    }

    /// As `GET /v1/models` shows it.
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
    fn the_file_of_models_can_be_read() {
        assert!(Model::find("claude-sonnet-5-5").is_some_and(Model::is_current));
    }
}
