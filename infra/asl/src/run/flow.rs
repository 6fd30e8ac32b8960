//! How data goes through a state: `InputPath`, `Parameters`, `ResultSelector`, `ResultPath`, `OutputPath`.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    context::Context,
    definition::{State, Text, WaitUntil},
    failure::Failure,
    path::{Path, Reference},
    rfc3339,
    size::within_limit,
    template::Template,
};

/// The effective input: what the state's other fields read from.
pub(crate) fn input(state: &State, raw: &Value, context: &Context<'_>) -> Result<Value, Failure> {
    select(state.input_path.as_ref(), raw, context, "InputPath")
}

/// What the state hands on, cut down by `OutputPath`.
pub(crate) fn output(state: &State, data: &Value, context: &Context<'_>) -> Result<Value, Failure> {
    let output = select(state.output_path.as_ref(), data, context, "OutputPath")?;
    within_limit(output, &format!("the output of state {:?}", state.name))
}

fn select(path: Option<&Path>, data: &Value, context: &Context<'_>, field: &str) -> Result<Value, Failure> {
    match path {
        None => Ok(Value::Object(Map::new())),
        Some(path) => context
            .read(path, data)
            .ok_or_else(|| Failure::runtime(format!("{field} names nothing in the state's data"))),
    }
}

/// Fills a template, or hands the data on where there is none.
pub(crate) fn fill(template: Option<&Template>, data: Value, context: &Context<'_>) -> Result<Value, Failure> {
    match template {
        Some(template) => template.fill(&data, context),
        None => Ok(data),
    }
}

/// Lays a result over the raw input; no path (`null`) drops the result.
pub(crate) fn combine(path: Option<&Reference>, raw: &Value, result: Value) -> Result<Value, Failure> {
    match path {
        None => Ok(raw.clone()),
        Some(path) => path.write(raw.clone(), result),
    }
}

/// The seconds that a path of the definition points to.
pub(crate) fn seconds(path: &Reference, input: &Value, least: u64) -> Result<u64, Failure> {
    let seconds = path.read(input).and_then(Value::as_u64);
    seconds.filter(|seconds| (least..=99_999_999).contains(seconds)).ok_or_else(|| {
        Failure::runtime(format!("{} does not name a whole number of seconds from {least} to 99999999", path.as_str()))
    })
}

/// When a Wait state that was entered at `entered_at` is over.
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
    later(at, std::time::Duration::from_secs(seconds))
}

/// `at + span`, or the end of time.
pub(crate) fn later(at: Timestamp, span: std::time::Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// The failure that a Fail state stands for.
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
