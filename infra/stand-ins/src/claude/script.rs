//! The script: what the model is to say.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::Fault;

/// One or several conversations, each played to whoever begins one that it matches.
#[derive(Debug, Clone)]
pub struct Script {
    pub(crate) scenarios: Vec<Scenario>,
}

/// A script that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It is not of the form.
    #[error("the script cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is of the form but makes no sense.
    #[error("the script's turn {turn} (counted from 1) {flaw}")]
    Turn {
        /// Which turn.
        turn: usize,
        /// What is wrong with it.
        flaw: String,
    },
    /// There is nothing in it.
    #[error("the script is empty")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scripts: Vec<Scenario>,
}

/// One conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Found in the first user message; without it any conversation matches.
    #[serde(rename = "match")]
    pub(crate) matches: Option<String>,
    /// The answer to a request for structured output.
    pub(crate) plan: Option<Value>,
    /// The answers to further ones, for a plan that is revised; the last one is repeated.
    #[serde(default)]
    pub(crate) plans: Vec<Value>,
    #[serde(default)]
    pub(crate) turns: Vec<Turn>,
}

/// One reply.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Turn {
    /// A name to jump to.
    pub(crate) label: Option<String>,
    pub(crate) thinking: Option<String>,
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) tools: Vec<ToolCall>,
    /// Why the reply stops; `tool_use` with tools and `end_turn` without, unless said.
    pub(crate) stop: Option<Stop>,
    /// What a refusal is said to be about, such as `cyber`.
    pub(crate) category: Option<String>,
    /// Why it is one.
    pub(crate) explanation: Option<String>,
    pub(crate) fault: Option<Fault>,
    /// Played in this turn's place when their condition holds; the first that does.
    #[serde(default)]
    pub(crate) when: Vec<Turn>,
    /// When an alternative is played.
    #[serde(rename = "if")]
    pub(crate) condition: Option<Condition>,
    /// The label of the turn that follows; otherwise the next one in the list.
    pub(crate) then: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) input: Map<String, Value>,
}

/// What was said last. All that is given has to hold, of one result where two of them speak of results.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Condition {
    /// A result of the last tool calls contains this.
    pub(crate) result_contains: Option<String>,
    /// A result of the last tool calls is an error, or is not.
    pub(crate) is_error: Option<bool>,
    /// The user said this since the last reply.
    pub(crate) user_contains: Option<String>,
}

/// Why a reply stops.
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
    /// The details of a refusal.
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
    /// Reads a script file: a list under `scripts`, or a single one by itself.
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
    pub(crate) fn place_of(&self, label: &str) -> Option<usize> {
        self.turns.iter().position(|turn| turn.label.as_deref() == Some(label))
    }

    fn check(&self) -> Result<(), ScriptError> {
        for (place, turn) in self.turns.iter().enumerate() {
            let flawed = |flaw: String| ScriptError::Turn { turn: place + 1, flaw };
            if turn.condition.is_some() {
                return Err(flawed("has an `if`, which belongs into an alternative under `when`".to_owned()));
            }
            if let Some(label) = &turn.label
                && self.place_of(label) != Some(place)
            {
                return Err(flawed(format!("has the label `{label}` of an earlier turn")));
            }
            for played in std::iter::once(turn).chain(&turn.when) {
                self.check_played(played).map_err(flawed)?;
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

    fn check_played(&self, turn: &Turn) -> Result<(), String> {
        match &turn.then {
            Some(label) if self.place_of(label).is_none() => {
                return Err(format!("goes on at `{label}`, which is no turn's label"));
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
    fn the_example_of_the_readme_is_a_script() {
        let readme = include_str!("../../README.md");
        let example = readme.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let script = Script::parse(example).unwrap();
        assert!(script.scenarios[0].turns.len() > 2);
    }

    #[test]
    fn a_script_with_a_slip_is_refused_with_its_place() {
        for (script, words) in [
            (r#"{"turns":[{"txt":"x"}]}"#, "unknown field `txt`"),
            (r#"{"scripts":[]}"#, "empty"),
            (r#"{"turns":[{"text":"x"},{"then":"nowhere"}]}"#, "turn 2 (counted from 1) goes on at `nowhere`"),
            (r#"{"turns":[{"when":[{"text":"x"}]}]}"#, "an alternative without an `if`"),
            (r#"{"turns":[{"if":{}}]}"#, "has an `if`"),
            (r#"{"turns":[{"label":"a"},{"label":"a"}]}"#, "turn 2 (counted from 1) has the label `a`"),
            (r#"{"turns":[{"fault":{"kind":"status"}}]}"#, "needs a `status`"),
            (r#"{"turns":[{"fault":{"kind":"sneeze"}}]}"#, "unknown variant `sneeze`"),
        ] {
            let error = Script::parse(script).unwrap_err().to_string();
            assert!(error.contains(words), "{script}: {error}");
        }
    }
}
