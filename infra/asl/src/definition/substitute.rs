use serde_json::Value;

use crate::problem::{Problem, Problems};

/// Replaces every `${Name}` in the strings of a definition, as a deployment does with its definition substitutions. A
/// substituted value is not scanned again, so it cannot bring in another name.
pub(super) fn substitute(
    definition: &Value,
    substitutions: &dyn Fn(&str) -> Option<String>,
    problems: &Problems,
) -> Value {
    let Value::Object(fields) = definition else {
        return definition.clone();
    };
    let replaced = fields.iter().map(|(field, value)| {
        let value = match (field.as_str(), value) {
            ("States", Value::Object(states)) => Value::Object(
                states
                    .iter()
                    .map(|(name, state)| {
                        let report = |at: &str, problem| problems.report(Some(name), at, problem);
                        (name.clone(), walk(state, "", substitutions, &report))
                    })
                    .collect(),
            ),
            _ => walk(value, field, substitutions, &|at, problem| {
                problems.report(None, at, problem);
            }),
        };
        (field.clone(), value)
    });
    Value::Object(replaced.collect())
}

fn walk(
    value: &Value,
    at: &str,
    substitutions: &dyn Fn(&str) -> Option<String>,
    report: &dyn Fn(&str, Problem),
) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| {
                    let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                    (key.clone(), walk(value, &at, substitutions, report))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| walk(item, &format!("{at}[{index}]"), substitutions, report))
                .collect(),
        ),
        Value::String(text) => Value::String(replace(text, substitutions, &|name| {
            report(at, Problem::Unresolved(name.to_owned()));
        })),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn replace(text: &str, substitutions: &dyn Fn(&str) -> Option<String>, unresolved: &dyn Fn(&str)) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        replaced.push_str(before);
        if let Some(value) = substitutions(name) {
            replaced.push_str(&value);
        } else {
            unresolved(name);
            // The name stays in the text, so that the empty field is not reported as a second problem.
            replaced.push_str(&format!("${{{name}}}"));
        }
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}
