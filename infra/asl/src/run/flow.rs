//! The data flow through a state: `InputPath`, `Parameters`, `ResultSelector`, `ResultPath`, `OutputPath`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    context::Context,
    definition::{MAX_SECONDS, State, Text, WaitUntil},
    failure::Failure,
    path::{Path, Reference},
    rfc3339,
    size::within_limit,
    template::Template,
};

/// The effective input: the raw input after `InputPath`.
pub(crate) fn input(state: &State, raw: &Value, context: &Context<'_>) -> Result<Value, Failure> {
    select(state.input_path.as_ref(), raw, context, "InputPath")
}

/// The state's output: `data` after `OutputPath`, if it is within the size limit.
pub(crate) fn output(state: &State, data: &Value, context: &Context<'_>) -> Result<Value, Failure> {
    let output = select(state.output_path.as_ref(), data, context, "OutputPath")?;
    within_limit(output, &format!("the output of state {:?}", state.name))
}

fn select(path: Option<&Path>, data: &Value, context: &Context<'_>, field: &str) -> Result<Value, Failure> {
    match path {
        None => Ok(Value::Object(Map::new())),
        Some(path) => context
            .read(path, data)
            .ok_or_else(|| Failure::runtime(format!("{field} {} names nothing in the state's data", path.as_str()))),
    }
}

/// Fills a template, or passes the data through where there is none.
pub(crate) fn fill(template: Option<&Template>, data: Value, context: &Context<'_>) -> Result<Value, Failure> {
    match template {
        Some(template) => template.fill(&data, context),
        None => Ok(data),
    }
}

/// Stores a result in the raw input at `ResultPath`; without a path (`null`) the result is dropped.
pub(crate) fn combine(path: Option<&Reference>, raw: &Value, result: Value) -> Result<Value, Failure> {
    match path {
        None => Ok(raw.clone()),
        Some(path) => path.write(raw.clone(), result),
    }
}

/// The number of seconds at `path`, from `min` to Step Functions' limit.
pub(crate) fn seconds(path: &Reference, input: &Value, min: u64) -> Result<u64, Failure> {
    let seconds = path.read(input).and_then(Value::as_u64);
    seconds.filter(|seconds| (min..=MAX_SECONDS).contains(seconds)).ok_or_else(|| {
        let path = path.as_str();
        Failure::runtime(format!("{path} does not name a whole number of seconds from {min} to {MAX_SECONDS}"))
    })
}

/// When a Wait state that was entered at `entered_at` ends.
pub(crate) fn wait_until(until: &WaitUntil, input: &Value, entered_at: Timestamp) -> Result<Timestamp, Failure> {
    match until {
        WaitUntil::Seconds(seconds) => Ok(after(entered_at, *seconds)),
        WaitUntil::SecondsPath(path) => Ok(after(entered_at, seconds(path, input, 0)?)),
        WaitUntil::Timestamp(at) => Ok(*at),
        WaitUntil::TimestampPath(path) => {
            let text = path.read(input).and_then(Value::as_str);
            text.and_then(rfc3339::parse)
                .ok_or_else(|| Failure::runtime(format!("{} does not name a timestamp", path.as_str())))
        }
    }
}

fn after(at: Timestamp, seconds: u64) -> Timestamp {
    later(at, Duration::from_secs(seconds))
}

/// `at + duration`, capped at the largest timestamp.
pub(crate) fn later(at: Timestamp, duration: Duration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The failure with which a Fail state ends the execution.
pub(crate) fn fail(
    error: Option<&Text>,
    cause: Option<&Text>,
    input: &Value,
    context: &Context<'_>,
) -> Result<Failure, Failure> {
    let text = |text: Option<&Text>, field| match text {
        None => Ok(String::new()),
        Some(Text::Literal(text)) => Ok(text.clone()),
        Some(Text::Read(path)) => match context.read(path, input) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Failure::runtime(format!("{field} does not name a string"))),
        },
    };
    Ok(Failure::new(text(error, "ErrorPath")?, text(cause, "CausePath")?))
}
