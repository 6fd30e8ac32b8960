use serde_json::{Map, Value};

use crate::{
    context::{Context, ContextField},
    definition::Problem,
    failure::{Failure, PARAMETER_PATH_FAILURE},
    path::Path,
};

/// A payload template (`Parameters`, `ResultSelector`): JSON in which the fields that end in `.$` hold paths.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    Literal(Value),
    Read { path: Path, text: String },
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
}

impl Template {
    /// Reads a template; what is wrong is handed to `report` with the place inside the template.
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
        Ok(Self::Read { path: Path::parse(text)?, text: text.to_owned() })
    }

    /// Whether any place of the template holds the task's token.
    pub(crate) fn names_token(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Read { path, .. } => matches!(path, Path::Context(ContextField::TaskToken)),
            Self::List(items) => items.iter().any(Self::names_token),
            Self::Object(fields) => fields.iter().any(|(_, field)| field.names_token()),
        }
    }

    /// # Errors
    /// `States.ParameterPathFailure` for a path that names nothing.
    pub(crate) fn fill(&self, data: &Value, context: &Context<'_>) -> Result<Value, Failure> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Read { path, text } => context.read(path, data).ok_or_else(|| {
                Failure::new(PARAMETER_PATH_FAILURE, format!("the path {text} names nothing in the state's data"))
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
