//! The script: the replies to play.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::Fault;

/// One or more scenarios. A conversation gets the first that matches its first user message.
#[derive(Debug, Clone)]
pub struct Script {
    pub(crate) scenarios: Vec<Scenario>,
}

/// A script that is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The script is not JSON of the expected form.
    #[error("the script cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A turn is well-formed but makes no sense.
    #[error("the script's turn {turn} (counted from 1) {flaw}")]
    Turn {
        /// Counted from 1.
        turn: usize,
        /// A clause such as "has an `if`, ...".
        flaw: String,
    },
    /// `scripts` is an empty list.
    #[error("the script is empty")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scripts: Vec<Scenario>,
}

/// The replies to one conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// A part of the first user message; `None` matches any conversation.
    #[serde(rename = "match")]
    pub(crate) matches: Option<String>,
    /// The answer to the first request for structured output.
    pub(crate) plan: Option<Value>,
    /// The answers to further requests for structured output, as revisions of a plan; the last is repeated.
    #[serde(default)]
    pub(crate) plans: Vec<Value>,
    #[serde(default)]
    pub(crate) turns: Vec<Turn>,
}

/// One reply.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Turn {
    /// The name that `then` refers to.
    pub(crate) label: Option<String>,
    pub(crate) thinking: Option<String>,
    pub(crate) text: Option<String>,
    /// Blocks that are sent as they are, after the text: odd replies of gateways, blocks of server-side tools.
    #[serde(default)]
    pub(crate) content: Vec<Map<String, Value>>,
    #[serde(default)]
    pub(crate) tools: Vec<ToolCall>,
    /// The stop reason; by default `tool_use` with tools and `end_turn` without.
    pub(crate) stop: Option<Stop>,
    /// For `refusal`: the category, such as `cyber`.
    pub(crate) category: Option<String>,
    /// For `refusal`: the explanation.
    pub(crate) explanation: Option<String>,
    pub(crate) fault: Option<Fault>,
    /// Alternatives to this turn; the first whose condition holds is played instead.
    #[serde(default)]
    pub(crate) when: Vec<Turn>,
    /// Only for alternatives: when to play it.
    #[serde(rename = "if")]
    pub(crate) condition: Option<Condition>,
    /// The label of the next turn; by default the next turn of the list.
    pub(crate) then: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) input: Map<String, Value>,
}

/// A condition on the messages since the last reply. All of its fields have to hold; `result_contains` and `is_error` have to
/// hold for the same result.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Condition {
    /// A part of a tool result.
    pub(crate) result_contains: Option<String>,
    /// Whether a tool result is an error.
    pub(crate) is_error: Option<bool>,
    /// A part of a user message.
    pub(crate) user_contains: Option<String>,
}

/// A `stop_reason` of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names are the API's")]
pub(crate) enum Stop {
    EndTurn,
    MaxTokens,
    StopSequence,
    ToolUse,
    PauseTurn,
    Refusal,
    ModelContextWindowExceeded,
}

impl Turn {
    /// The `stop_details` of a refusal.
    pub(crate) fn refusal(&self) -> Value {
        json!({ "type": "refusal", "category": self.category, "explanation": self.explanation })
    }
}

impl Stop {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence => "stop_sequence",
            Self::ToolUse => "tool_use",
            Self::PauseTurn => "pause_turn",
            Self::Refusal => "refusal",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
        }
    }
}

impl Script {
    /// Parses a script file: a list under `scripts`, or a single scenario.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let file: Value = serde_json::from_str(text)?;
        let scenarios = if file.get("scripts").is_some() {
            serde_json::from_value::<File>(file)?.scripts
        } else {
            vec![serde_json::from_value(file)?]
        };
        if scenarios.is_empty() {
            return Err(ScriptError::Empty);
        }
        for scenario in &scenarios {
            scenario.check()?;
        }
        Ok(Self { scenarios })
    }
}

impl Scenario {
    pub(crate) fn position_of(&self, label: &str) -> Option<usize> {
        self.turns.iter().position(|turn| turn.label.as_deref() == Some(label))
    }

    fn check(&self) -> Result<(), ScriptError> {
        for (position, turn) in self.turns.iter().enumerate() {
            let flawed = |flaw: String| ScriptError::Turn { turn: position + 1, flaw };
            if turn.condition.is_some() {
                return Err(flawed("has an `if`, which only an alternative under `when` can have".to_owned()));
            }
            if let Some(label) = &turn.label
                && self.position_of(label) != Some(position)
            {
                return Err(flawed(format!("repeats the label `{label}` of an earlier turn")));
            }
            for played in std::iter::once(turn).chain(&turn.when) {
                self.check_turn(played).map_err(flawed)?;
            }
            for alternative in &turn.when {
                if alternative.condition.is_none() {
                    return Err(flawed("has an alternative without an `if`".to_owned()));
                }
                if alternative.label.is_some() || !alternative.when.is_empty() {
                    return Err(flawed("has an alternative with a `label` or a `when` of its own".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn check_turn(&self, turn: &Turn) -> Result<(), String> {
        match &turn.then {
            Some(label) if self.position_of(label).is_none() => {
                return Err(format!("continues at `{label}`, but no turn has this label"));
            }
            Some(_) | None => {}
        }
        turn.fault.as_ref().map_or(Ok(()), Fault::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_in_the_readme_is_a_valid_script() {
        let readme = include_str!("../../README.md");
        let example = readme.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let script = Script::parse(example).unwrap();
        assert!(script.scenarios[0].turns.len() > 2);
    }

    #[test]
    fn an_invalid_script_is_refused_with_the_turn_at_fault() {
        for (script, words) in [
            (r#"{"turns":[{"txt":"x"}]}"#, "unknown field `txt`"),
            (r#"{"scripts":[]}"#, "empty"),
            (r#"{"turns":[{"text":"x"},{"then":"nowhere"}]}"#, "turn 2 (counted from 1) continues at `nowhere`"),
            (r#"{"turns":[{"when":[{"text":"x"}]}]}"#, "an alternative without an `if`"),
            (r#"{"turns":[{"if":{}}]}"#, "has an `if`"),
            (r#"{"turns":[{"label":"a"},{"label":"a"}]}"#, "turn 2 (counted from 1) repeats the label `a`"),
            (r#"{"turns":[{"fault":{"kind":"status"}}]}"#, "without a `status`"),
            (r#"{"turns":[{"fault":{"kind":"window"}}]}"#, "without `windowTokens`"),
            (r#"{"turns":[{"fault":{"kind":"sneeze"}}]}"#, "unknown variant `sneeze`"),
        ] {
            let error = Script::parse(script).unwrap_err().to_string();
            assert!(error.contains(words), "{script}: {error}");
        }
    }
}
