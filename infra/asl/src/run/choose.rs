use std::cmp::Ordering;

use serde_json::Value;

use crate::{
    context::Context,
    definition::{Choice, Is, Kind, Operand, Relation, Rule, Test},
    failure::{Failure, NO_CHOICE_MATCHED},
    path::Path,
    rfc3339,
};

/// The state that a Choice sends `input` to.
///
/// # Errors
/// `States.NoChoiceMatched` when no rule holds and there is no Default; `States.Runtime` when a rule reads what is not
/// there (only `IsPresent` may).
pub(crate) fn choose<'a>(choice: &'a Choice, input: &Value, context: &Context<'_>) -> Result<&'a str, Failure> {
    for branch in &choice.branches {
        if holds(&branch.rule, input, context)? {
            return Ok(&branch.next);
        }
    }
    choice
        .default
        .as_deref()
        .ok_or_else(|| Failure::new(NO_CHOICE_MATCHED, "no rule of the Choice holds and it has no Default"))
}

fn holds(rule: &Rule, input: &Value, context: &Context<'_>) -> Result<bool, Failure> {
    match rule {
        // Stops at the first that fails, so that `IsPresent` can guard what follows.
        Rule::And(rules) => all(rules, true, input, context),
        Rule::Or(rules) => all(rules, false, input, context).map(|none| !none),
        Rule::Not(rule) => Ok(!holds(rule, input, context)?),
        Rule::Test { variable, written, test } => {
            let value = context.read(variable, input);
            if let Test::Is { what: Is::Present, expected } = test {
                return Ok(value.is_some() == *expected);
            }
            let value = value.ok_or_else(|| absent(written))?;
            passes(test, &value, input, context)
        }
    }
}

/// Whether every rule comes out as `wanted`.
fn all(rules: &[Rule], wanted: bool, input: &Value, context: &Context<'_>) -> Result<bool, Failure> {
    for rule in rules {
        if holds(rule, input, context)? != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

fn passes(test: &Test, value: &Value, input: &Value, context: &Context<'_>) -> Result<bool, Failure> {
    match test {
        Test::Is { what, expected } => Ok(is(*what, value) == *expected),
        Test::Matches(pattern) => Ok(value.as_str().is_some_and(|text| matches(pattern, text))),
        Test::Compare { kind, relation, with } => {
            let with = match with {
                Operand::Literal(with) => with,
                Operand::Read { path, written } => &read(path, written, input, context)?,
            };
            Ok(compare(*kind, value, with).is_some_and(|order| relation.accepts(order)))
        }
    }
}

fn read(path: &Path, written: &str, input: &Value, context: &Context<'_>) -> Result<Value, Failure> {
    context.read(path, input).ok_or_else(|| absent(written))
}

fn absent(path: &str) -> Failure {
    Failure::runtime(format!("the Choice reads {path}, which names nothing in the state's input"))
}

fn is(what: Is, value: &Value) -> bool {
    match what {
        Is::Present => true,
        Is::Null => value.is_null(),
        Is::String => value.is_string(),
        Is::Numeric => value.is_number(),
        Is::Boolean => value.is_boolean(),
        Is::Timestamp => value.as_str().and_then(rfc3339::parse).is_some(),
    }
}

/// None when either is not of that kind: then no relation holds.
fn compare(kind: Kind, left: &Value, right: &Value) -> Option<Ordering> {
    match kind {
        Kind::String => Some(left.as_str()?.cmp(right.as_str()?)),
        Kind::Boolean => Some(left.as_bool()?.cmp(&right.as_bool()?)),
        Kind::Timestamp => Some(rfc3339::parse(left.as_str()?)?.cmp(&rfc3339::parse(right.as_str()?)?)),
        // Whole numbers are compared as such: beyond 2^53 a float would call neighbours equal.
        Kind::Numeric => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
    }
}

impl Relation {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equals => order.is_eq(),
            Self::LessThan => order.is_lt(),
            Self::LessThanEquals => order.is_le(),
            Self::GreaterThan => order.is_gt(),
            Self::GreaterThanEquals => order.is_ge(),
        }
    }
}

/// `*` stands for any text, `\*` for the star itself and `\\` for the backslash. Takes time in proportion to pattern
/// times text at worst: after a mismatch only the last star is tried further on.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(None) => {
                last_star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(Some(character)) if *character == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            Some(Some(_)) | None => {
                let Some((star, from)) = last_star else {
                    return false;
                };
                last_star = Some((star, from + 1));
                at_pattern = star + 1;
                at_text = from + 1;
            }
        }
    }
    pattern[at_pattern..].iter().all(Option::is_none)
}

/// The pattern's characters; none for a star that stands for any text.
fn tokens(pattern: &str) -> Vec<Option<char>> {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => None,
            '\\' => Some(characters.next().unwrap_or('\\')),
            other => Some(other),
        });
    }
    tokens
}
