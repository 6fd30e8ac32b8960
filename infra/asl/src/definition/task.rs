use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    fields::{Fields, MAX_SECONDS},
    retry::{Catcher, Retrier, parse_catches, parse_retries},
};
use crate::{path::Reference, problem::Problem, template::Template};

/// The one supported callback resource.
const LAMBDA_CALLBACK: &str = "arn:aws:states:::lambda:invoke.waitForTaskToken";

/// The task of a Task state.
#[derive(Clone, Debug)]
pub struct Task {
    resource: String,
    /// `resource` after substitution.
    pub(crate) target: String,
    callback: bool,
    pub(crate) timeout: TaskTimeout,
    /// None passes the effective input on unchanged.
    pub(crate) parameters: Option<Template>,
    pub(crate) result_selector: Option<Template>,
    /// None for `null`: the result is dropped.
    pub(crate) result_path: Option<Reference>,
    pub(crate) retries: Vec<Retrier>,
    pub(crate) catches: Vec<Catcher>,
}

/// The time-out of one attempt.
#[derive(Clone, Debug)]
pub(crate) enum TaskTimeout {
    Fixed(Duration),
    Read(Reference),
}

impl Task {
    /// What is called, as the definition has it before substitution: the `Resource`, or for a callback its `FunctionName`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Whether the task's result is the answer to its token (`.waitForTaskToken`).
    pub fn is_callback(&self) -> bool {
        self.callback
    }

    /// The time-out of one attempt; none when `TimeoutSecondsPath` reads it from the state's input.
    pub fn timeout(&self) -> Option<Duration> {
        match &self.timeout {
            TaskTimeout::Fixed(timeout) => Some(*timeout),
            TaskTimeout::Read(_) => None,
        }
    }

    pub fn retries(&self) -> &[Retrier] {
        &self.retries
    }

    pub fn catches(&self) -> &[Catcher] {
        &self.catches
    }

    /// `written` is the state before substitution.
    pub(super) fn parse(fields: &mut Fields<'_>, written: &Value) -> Option<Self> {
        let resource = fields.require_string("Resource");
        let callback = resource == Some(LAMBDA_CALLBACK);
        let call = if callback { function_call(fields) } else { plain_call(fields, resource) };
        let timeout = timeout(fields);
        let result_selector = fields.template("ResultSelector");
        if result_selector.as_ref().is_some_and(|selector| selector.reads_token()) {
            fields.report("ResultSelector", Problem::TokenNotAllowed);
        }
        let result_path = fields.reference_or_null("ResultPath");
        let retries = parse_retries(fields);
        let catches = parse_catches(fields);
        let (target, parameters) = call?;
        let name = if callback { &written["Parameters"]["FunctionName"] } else { &written["Resource"] };
        Some(Self {
            resource: name.as_str().unwrap_or_default().to_owned(),
            target,
            callback,
            timeout: timeout?,
            parameters,
            result_selector,
            result_path,
            retries,
            catches,
        })
    }
}

/// The target and the template for its input.
type Call = (String, Option<Template>);

/// The resource is a function's own ARN, or any name that the [`Tasks`](crate::Tasks) implementation knows. Service
/// integrations wrap input and result in formats of their own, so all except [`LAMBDA_CALLBACK`] are refused.
fn plain_call(fields: &mut Fields<'_>, resource: Option<&str>) -> Option<Call> {
    let parameters = fields.template("Parameters");
    if parameters.as_ref().is_some_and(|parameters| parameters.reads_token()) {
        fields.report("Parameters", Problem::TokenNotAllowed);
    }
    let resource = resource?;
    let is_service = resource.starts_with("arn:aws:states:") || resource.ends_with(".waitForTaskToken");
    if is_service || resource.is_empty() {
        fields.report("Resource", Problem::UnsupportedResource(resource.to_owned()));
        return None;
    }
    Some((resource.to_owned(), parameters))
}

/// The callback form: `Parameters` name the function and its payload.
fn function_call(fields: &mut Fields<'_>) -> Option<Call> {
    let parameters = fields.require("Parameters")?;
    let mut parameters = fields.inner("Parameters", parameters)?;
    // `FunctionName.$` is refused: a function that is chosen at run time cannot be checked when the definition is loaded.
    let function = parameters.require_string("FunctionName");
    let payload = match parameters.take("Payload") {
        Some(payload) => parameters.parse_template("Payload", payload),
        None => Template::Literal(Value::Object(Map::new())),
    };
    if !payload.reads_token() {
        parameters.report("Payload", Problem::MissingToken);
    }
    parameters.close();
    Some((function?.to_owned(), Some(payload)))
}

fn timeout(fields: &mut Fields<'_>) -> Option<TaskTimeout> {
    let is_set = fields.has("TimeoutSeconds") || fields.has("TimeoutSecondsPath");
    let fixed = fields.integer("TimeoutSeconds", 1..=MAX_SECONDS);
    let read = fields.reference("TimeoutSecondsPath");
    if !is_set {
        fields.report("TimeoutSeconds", Problem::NoTimeout);
    }
    match (fixed, read) {
        (Some(_), Some(_)) => {
            fields.report("TimeoutSecondsPath", Problem::Conflict("TimeoutSeconds".to_owned()));
            None
        }
        (Some(seconds), None) => Some(TaskTimeout::Fixed(Duration::from_secs(seconds))),
        (None, read) => read.map(TaskTimeout::Read),
    }
}
