use std::time::Duration;

use serde_json::Value;

use super::{
    Choice, Task,
    fields::{Fields, MAX_SECONDS},
    graph,
    model::{Body, State, StateMachine, Text, Transition, WaitUntil},
    substitute::substitute,
};
use crate::{
    path::{Path, Reference},
    problem::{DefinitionError, Problem, Problems},
    rfc3339,
};

/// Step Functions' limit on a state's name, in characters.
const MAX_NAME: usize = 80;

impl StateMachine {
    /// Parses a definition. `substitutions` gives the values for the `${Name}`s in its strings.
    ///
    /// # Errors
    /// All problems at once, each with its state and field.
    pub fn parse(text: &str, substitutions: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<DefinitionError>> {
        let problems = Problems::default();
        let machine = parse_machine(text, &substitutions, &problems);
        match (machine, problems.into_vec()) {
            (Some(machine), problems) if problems.is_empty() => Ok(machine),
            (_, problems) => Err(problems),
        }
    }
}

fn parse_machine(
    text: &str,
    substitutions: &dyn Fn(&str) -> Option<String>,
    problems: &Problems,
) -> Option<StateMachine> {
    let written: Value = serde_json::from_str(text)
        .map_err(|error| problems.report(None, "", Problem::NotJson(error.to_string())))
        .ok()?;
    let definition = substitute(&written, substitutions, problems);
    let mut fields = Fields::open(problems, None, "", &definition)?;
    fields.take("Comment");
    check_query_language(&mut fields);
    if let Some(version) = fields.string("Version").filter(|version| *version != "1.0") {
        fields.report("Version", Problem::UnsupportedVersion(version.to_owned()));
    }
    let timeout = fields.integer("TimeoutSeconds", 1..=MAX_SECONDS);
    let start_at = fields.require_string("StartAt");
    let states = fields.require("States");
    let states =
        states.and_then(|states| fields.checked("States", states.as_object().ok_or(Problem::WrongType("an object"))));
    fields.close();

    let machine = StateMachine {
        start_at: start_at?.to_owned(),
        timeout: timeout.map(Duration::from_secs),
        states: states?
            .iter()
            .filter_map(|(name, state)| parse_state(name, state, &written["States"][name], problems))
            .collect(),
    };
    let names = states?.keys().map(String::as_str).collect();
    graph::check(&machine, &names, problems);
    Some(machine)
}

fn check_query_language(fields: &mut Fields<'_>) {
    if let Some(language) = fields.string("QueryLanguage").filter(|name| *name != "JSONPath") {
        fields.report("QueryLanguage", Problem::UnsupportedQueryLanguage(language.to_owned()));
    }
}

/// `written` is the state as the definition has it, before substitution.
fn parse_state(name: &str, state: &Value, written: &Value, problems: &Problems) -> Option<State> {
    let mut fields = Fields::open(problems, Some(name), "", state)?;
    if name.is_empty() || name.chars().count() > MAX_NAME {
        fields.report("", Problem::OutOfRange(1, MAX_NAME as u64));
    }
    let kind = fields.require_string("Type")?;
    fields.take("Comment");
    check_query_language(&mut fields);
    // A Fail state has no output, so the language gives it no `InputPath` and no `OutputPath`.
    let (input_path, output_path) = if kind == "Fail" {
        let root = || Some(Path::Data(Reference::root()));
        (root(), root())
    } else {
        (fields.path_or_null("InputPath"), fields.path_or_null("OutputPath"))
    };
    let body = match kind {
        "Task" => {
            let task = Task::parse(&mut fields, written);
            let next = transition(&mut fields);
            task.zip(next).map(|(task, next)| Body::Task { task: Box::new(task), next })
        }
        "Choice" => Choice::parse(&mut fields).map(Body::Choice),
        "Pass" => pass(&mut fields),
        "Wait" => wait(&mut fields),
        "Succeed" => Some(Body::Succeed),
        "Fail" => Some(Body::Fail {
            error: text(&mut fields, "Error", "ErrorPath"),
            cause: text(&mut fields, "Cause", "CausePath"),
        }),
        other => {
            fields.report("Type", Problem::UnsupportedStateType(other.to_owned()));
            // One problem is enough: what the fields of an unknown state type mean is not known.
            fields.take_rest();
            None
        }
    };
    fields.close();
    Some(State { name: name.to_owned(), input_path, output_path, body: body? })
}

fn transition(fields: &mut Fields<'_>) -> Option<Transition> {
    let next = fields.string("Next");
    match (next, fields.take("End")) {
        (Some(next), None) => Some(Transition::Next(next.to_owned())),
        (None, Some(Value::Bool(true))) => Some(Transition::End),
        (Some(_), Some(_)) => {
            fields.report("Next", Problem::Conflict("End".to_owned()));
            None
        }
        (None, Some(_)) => {
            fields.report("End", Problem::WrongType("true"));
            None
        }
        (None, None) => {
            fields.report("", Problem::NoTransition);
            None
        }
    }
}

fn pass(fields: &mut Fields<'_>) -> Option<Body> {
    let result = fields.take("Result").cloned();
    let parameters = fields.template("Parameters");
    if parameters.as_ref().is_some_and(|parameters| parameters.reads_token()) {
        fields.report("Parameters", Problem::TokenNotAllowed);
    }
    let result_path = fields.reference_or_null("ResultPath");
    let next = transition(fields)?;
    Some(Body::Pass { result, parameters, result_path, next })
}

fn wait(fields: &mut Fields<'_>) -> Option<Body> {
    let durations = [
        fields.integer("Seconds", 0..=MAX_SECONDS).map(WaitUntil::Seconds),
        fields.reference("SecondsPath").map(WaitUntil::SecondsPath),
        timestamp(fields).map(WaitUntil::Timestamp),
        fields.reference("TimestampPath").map(WaitUntil::TimestampPath),
    ];
    let next = transition(fields);
    let mut durations = durations.into_iter().flatten();
    let until = durations.next();
    if until.is_none() {
        fields.report("Seconds", Problem::Missing);
    }
    if durations.next().is_some() {
        fields.report("", Problem::Conflict("another field that says how long".to_owned()));
    }
    Some(Body::Wait { until: until?, next: next? })
}

fn timestamp(fields: &mut Fields<'_>) -> Option<jiff::Timestamp> {
    let text = fields.string("Timestamp")?;
    let parsed = rfc3339::parse(text);
    fields.checked("Timestamp", parsed.ok_or(Problem::WrongType("an RFC 3339 timestamp")))
}

fn text(fields: &mut Fields<'_>, literal: &str, path: &str) -> Option<Text> {
    let written = fields.string(literal).map(|text| Text::Literal(text.to_owned()));
    let read = fields.path(path).map(Text::Read);
    if written.is_some() && read.is_some() {
        fields.report(path, Problem::Conflict(literal.to_owned()));
    }
    written.or(read)
}
