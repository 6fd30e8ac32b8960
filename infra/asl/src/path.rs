use serde_json::{Map, Value};

use crate::{
    failure::{Failure, RESULT_PATH_MATCH_FAILURE},
    problem::Problem,
};

/// A path that a field reads from: into the state's data (`$…`) or into the context object (`$$…`).
#[derive(Clone, Debug)]
pub(crate) enum Path {
    Data(Reference),
    Context(ContextPath),
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if text.starts_with("$$") {
            let field = ContextField::parse(text)?;
            Ok(Self::Context(ContextPath { text: text.to_owned(), field }))
        } else {
            Reference::parse(text).map(Self::Data)
        }
    }

    /// The path as the definition writes it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Data(reference) => reference.as_str(),
            Self::Context(path) => &path.text,
        }
    }
}

/// A path into the context object.
#[derive(Clone, Debug)]
pub(crate) struct ContextPath {
    text: String,
    pub(crate) field: ContextField,
}

/// The fields of the context object that a definition may name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ContextField {
    ExecutionId,
    ExecutionName,
    /// The execution's input, or the part of it that the segments lead to.
    ExecutionInput(Vec<Segment>),
    ExecutionStartTime,
    StateName,
    StateEnteredTime,
    StateRetryCount,
    StateMachineId,
    StateMachineName,
    TaskToken,
}

impl ContextField {
    fn parse(text: &str) -> Result<Self, Problem> {
        let unsupported = || Problem::UnsupportedContextPath(text.to_owned());
        if let Some(within) = text.strip_prefix("$$.Execution.Input") {
            return parse_segments(within).map(Self::ExecutionInput).ok_or_else(unsupported);
        }
        match text {
            "$$.Execution.Id" => Ok(Self::ExecutionId),
            "$$.Execution.Name" => Ok(Self::ExecutionName),
            "$$.Execution.StartTime" => Ok(Self::ExecutionStartTime),
            "$$.State.Name" => Ok(Self::StateName),
            "$$.State.EnteredTime" => Ok(Self::StateEnteredTime),
            "$$.State.RetryCount" => Ok(Self::StateRetryCount),
            "$$.StateMachine.Id" => Ok(Self::StateMachineId),
            "$$.StateMachine.Name" => Ok(Self::StateMachineName),
            "$$.Task.Token" => Ok(Self::TaskToken),
            _ => Err(unsupported()),
        }
    }
}

/// A reference path, which names exactly one node of the state's data: `$`, `$.a.b`, `$['a b'][0]`.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Segment {
    Field(String),
    Index(usize),
}

impl Reference {
    /// `$`, all of the data.
    pub(crate) fn root() -> Self {
        Self { text: "$".to_owned(), segments: Vec::new() }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if text.starts_with("States.") {
            return Err(Problem::UnsupportedIntrinsic(text.to_owned()));
        }
        if text.starts_with("$$") {
            return Err(Problem::ContextNotAllowed(text.to_owned()));
        }
        let segments =
            text.strip_prefix('$').and_then(parse_segments).ok_or_else(|| Problem::UnsupportedPath(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), segments })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn read<'a>(&self, data: &'a Value) -> Option<&'a Value> {
        walk(&self.segments, data)
    }

    /// Stores `result` at this path of `data` and creates the objects that are missing on the way.
    ///
    /// # Errors
    /// `States.ResultPathMatchFailure` when something on the way is neither an object nor a list with that index.
    pub(crate) fn write(&self, mut data: Value, result: Value) -> Result<Value, Failure> {
        let mut node = &mut data;
        for segment in &self.segments {
            let next = match (segment, node) {
                (Segment::Field(name), Value::Object(object)) => {
                    Some(object.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new())))
                }
                (Segment::Index(index), Value::Array(items)) => items.get_mut(*index),
                _ => None,
            };
            node = next.ok_or_else(|| {
                Failure::new(
                    RESULT_PATH_MATCH_FAILURE,
                    format!("ResultPath {} does not fit the state's input", self.text),
                )
            })?;
        }
        *node = result;
        Ok(data)
    }
}

/// The node of `data` that the segments lead to, if there is one.
pub(crate) fn walk<'a>(segments: &[Segment], data: &'a Value) -> Option<&'a Value> {
    segments.iter().try_fold(data, |node, segment| match segment {
        Segment::Field(name) => node.as_object()?.get(name),
        Segment::Index(index) => node.as_array()?.get(*index),
    })
}

/// Parses what follows the `$`. Wildcards, slices, filters and descent (`*`, `[1:2]`, `[?()]`, `..`) may name several
/// nodes and are refused.
fn parse_segments(mut rest: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    while !rest.is_empty() {
        let (segment, after) = match rest.strip_prefix('.') {
            Some(after) => dotted(after)?,
            None => bracketed(rest.strip_prefix('[')?)?,
        };
        segments.push(segment);
        rest = after;
    }
    Some(segments)
}

fn dotted(text: &str) -> Option<(Segment, &str)> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(plain)).then(|| (Segment::Field(name.to_owned()), after))
}

fn bracketed(text: &str) -> Option<(Segment, &str)> {
    let Some(quote @ ('\'' | '"')) = text.chars().next() else {
        let (digits, after) = text.split_once(']')?;
        // `parse` alone would also take a sign.
        let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        return decimal.then_some((Segment::Index(digits.parse().ok()?), after));
    };
    let mut name = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            _ if character == quote => {
                let after = text.get(at + 1..)?.strip_prefix(']')?;
                return Some((Segment::Field(name), after));
            }
            _ => name.push(character),
        }
    }
    None
}
