use serde_json::{Map, Value};

use crate::{
    context::ContextField,
    definition::Problem,
    failure::{Failure, RESULT_PATH_MATCH_FAILURE},
};

/// A path that reads: into the state's data (`$…`) or into the context object (`$$…`).
#[derive(Clone, Debug)]
pub(crate) enum Path {
    Data(Reference),
    Context(ContextField),
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if text.starts_with("$$") {
            ContextField::parse(text).map(Self::Context)
        } else {
            Reference::parse(text).map(Self::Data)
        }
    }
}

/// A reference path: it names exactly one place, `$`, `$.a.b`, `$['a b'][0]`.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Field(String),
    Index(usize),
}

impl Reference {
    /// `$`, the whole.
    pub(crate) fn whole() -> Self {
        Self { text: "$".to_owned(), steps: Vec::new() }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if text.starts_with("States.") {
            return Err(Problem::UnsupportedIntrinsic(text.to_owned()));
        }
        if text.starts_with("$$") {
            return Err(Problem::ContextNotAllowed(text.to_owned()));
        }
        let steps =
            text.strip_prefix('$').and_then(parse_steps).ok_or_else(|| Problem::UnsupportedPath(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), steps })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn read<'a>(&self, data: &'a Value) -> Option<&'a Value> {
        walk(&self.steps, data)
    }

    /// Puts `result` at this place of `data`, making the objects that are missing on the way.
    ///
    /// # Errors
    /// `States.ResultPathMatchFailure` when something on the way is neither an object nor a list with that index.
    pub(crate) fn write(&self, mut data: Value, result: Value) -> Result<Value, Failure> {
        let mut place = &mut data;
        for step in &self.steps {
            let next = match (step, place) {
                (Step::Field(name), Value::Object(object)) => {
                    Some(object.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new())))
                }
                (Step::Index(index), Value::Array(items)) => items.get_mut(*index),
                _ => None,
            };
            place = next.ok_or_else(|| {
                Failure::new(
                    RESULT_PATH_MATCH_FAILURE,
                    format!("ResultPath {} does not fit the state's input", self.text),
                )
            })?;
        }
        *place = result;
        Ok(data)
    }
}

pub(crate) fn walk<'a>(steps: &[Step], data: &'a Value) -> Option<&'a Value> {
    steps.iter().try_fold(data, |place, step| match step {
        Step::Field(name) => place.as_object()?.get(name),
        Step::Index(index) => place.as_array()?.get(*index),
    })
}

/// What follows the `$`. Wildcards, slices, filters and descent (`*`, `[1:2]`, `[?()]`, `..`) name several places
/// and are refused.
pub(crate) fn parse_steps(mut rest: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('.') {
            Some(after) => dotted(after)?,
            None => bracketed(rest.strip_prefix('[')?)?,
        };
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

fn dotted(text: &str) -> Option<(Step, &str)> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(plain)).then(|| (Step::Field(name.to_owned()), after))
}

fn bracketed(text: &str) -> Option<(Step, &str)> {
    let Some(quote @ ('\'' | '"')) = text.chars().next() else {
        let (digits, after) = text.split_once(']')?;
        let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        return decimal.then_some((Step::Index(digits.parse().ok()?), after));
    };
    let mut name = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            _ if character == quote => {
                let after = text.get(at + 1..)?.strip_prefix(']')?;
                return Some((Step::Field(name), after));
            }
            _ => name.push(character),
        }
    }
    None
}
