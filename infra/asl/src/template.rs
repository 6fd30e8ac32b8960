use serde_json::{Map, Value};

use crate::{
    context::Context,
    failure::{Failure, PARAMETER_PATH_FAILURE},
    path::{ContextField, Path},
    problem::Problem,
};

/// A payload template (`Parameters`, `ResultSelector`): JSON in which the fields whose names end in `.$` hold paths.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    Literal(Value),
    Read(Path),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
}

impl Template {
    /// Parses a template. Each problem goes to `report` together with its path, which begins with `at`.
    pub(crate) fn parse(value: &Value, at: &str, report: &mut dyn FnMut(&str, Problem)) -> Self {
        match value {
            Value::Object(fields) => Self::Object(
                fields
                    .iter()
                    .filter_map(|(key, value)| {
                        let at = format!("{at}.{key}");
                        let Some(name) = key.strip_suffix(".$") else {
                            return Some((key.clone(), Self::parse(value, &at, report)));
                        };
                        if fields.contains_key(name) {
                            report(&at, Problem::Conflict(name.to_owned()));
                        }
                        Self::parse_path(value)
                            .map_err(|problem| report(&at, problem))
                            .ok()
                            .map(|template| (name.to_owned(), template))
                    })
                    .collect(),
            ),
            Value::Array(items) => Self::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Self::parse(item, &format!("{at}[{index}]"), report))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::Literal(value.clone()),
        }
    }

    fn parse_path(value: &Value) -> Result<Self, Problem> {
        let text = value.as_str().ok_or(Problem::WrongType("a path"))?;
        Path::parse(text).map(Self::Read)
    }

    /// Whether any field of the template reads the task token.
    pub(crate) fn reads_token(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Read(Path::Context(path)) => path.field == ContextField::TaskToken,
            Self::Read(Path::Data(_)) => false,
            Self::List(items) => items.iter().any(Self::reads_token),
            Self::Object(fields) => fields.iter().any(|(_, field)| field.reads_token()),
        }
    }

    /// The template with every path replaced by the value it names.
    ///
    /// # Errors
    /// `States.ParameterPathFailure` for a path that names nothing.
    pub(crate) fn fill(&self, data: &Value, context: &Context<'_>) -> Result<Value, Failure> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Read(path) => context.read(path, data).ok_or_else(|| {
                let path = path.as_str();
                Failure::new(PARAMETER_PATH_FAILURE, format!("the path {path} names nothing in the state's data"))
            }),
            Self::List(items) => items.iter().map(|item| item.fill(data, context)).collect(),
            Self::Object(fields) => fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), field.fill(data, context)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }
}
