use std::cmp::Ordering;

use serde_json::Value;

use crate::{
    context::Context,
    definition::{Choice, Comparison, Operand, Relation, Rule, Test, TypeTest},
    failure::{Failure, NO_CHOICE_MATCHED},
    path::Path,
    rfc3339,
};

/// The state that follows a Choice on `input`.
///
/// # Errors
/// `States.NoChoiceMatched` when no rule holds and there is no Default; `States.Runtime` when a rule other than
/// `IsPresent` reads a value that does not exist.
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
        // Stops at the first rule that does not hold, so that an `IsPresent` can guard the rules after it.
        Rule::And(rules) => all(rules, true, input, context),
        Rule::Or(rules) => all(rules, false, input, context).map(|none| !none),
        Rule::Not(rule) => Ok(!holds(rule, input, context)?),
        Rule::Test { variable, test } => {
            let value = context.read(variable, input);
            if let Test::Type { test: TypeTest::Present, expected } = test {
                return Ok(value.is_some() == *expected);
            }
            let value = value.ok_or_else(|| absent(variable))?;
            passes(test, &value, input, context)
        }
    }
}

/// Whether every rule evaluates to `wanted`.
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
        Test::Type { test, expected } => Ok(is_of_type(*test, value) == *expected),
        Test::Matches(pattern) => Ok(value.as_str().is_some_and(|text| matches(pattern, text))),
        Test::Compare { comparison, relation, operand } => {
            let operand = match operand {
                Operand::Literal(operand) => operand,
                Operand::Read(path) => &context.read(path, input).ok_or_else(|| absent(path))?,
            };
            Ok(compare(*comparison, value, operand).is_some_and(|order| relation.accepts(order)))
        }
    }
}

fn absent(path: &Path) -> Failure {
    let path = path.as_str();
    Failure::runtime(format!("the Choice reads {path}, which names nothing in the state's input"))
}

fn is_of_type(test: TypeTest, value: &Value) -> bool {
    match test {
        TypeTest::Present => true,
        TypeTest::Null => value.is_null(),
        TypeTest::String => value.is_string(),
        TypeTest::Numeric => value.is_number(),
        TypeTest::Boolean => value.is_boolean(),
        TypeTest::Timestamp => value.as_str().and_then(rfc3339::parse).is_some(),
    }
}

/// None when either value is not of the compared type: then no relation holds.
fn compare(comparison: Comparison, left: &Value, right: &Value) -> Option<Ordering> {
    match comparison {
        Comparison::String => Some(left.as_str()?.cmp(right.as_str()?)),
        Comparison::Boolean => Some(left.as_bool()?.cmp(&right.as_bool()?)),
        Comparison::Timestamp => Some(rfc3339::parse(left.as_str()?)?.cmp(&rfc3339::parse(right.as_str()?)?)),
        // Integers are compared as integers: above 2^53, neighbouring integers are the same `f64`.
        Comparison::Numeric => match (left.as_i64(), right.as_i64()) {
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

/// Matches a `StringMatches` pattern: `*` stands for any text, `\*` for the star itself and `\\` for the backslash. The
/// worst case is pattern length times text length, because after a mismatch only the last star is extended.
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

/// The pattern's characters, with none for a `*` wildcard.
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
