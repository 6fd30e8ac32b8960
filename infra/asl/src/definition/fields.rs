use std::ops::RangeInclusive;

use serde_json::Value;

use crate::{
    path::{Path, Reference},
    problem::{Problem, Problems},
    template::Template,
};

/// The longest duration that Step Functions accepts, in seconds.
pub(crate) const MAX_SECONDS: u64 = 99_999_999;

/// The fields of one JSON object of a definition. The parser takes each field that it knows; [`Fields::close`] refuses the
/// others.
pub(super) struct Fields<'a> {
    problems: &'a Problems,
    state: Option<&'a str>,
    /// The path from the state to this object: empty, or with a final dot.
    prefix: String,
    remaining: Vec<(&'a str, &'a Value)>,
}

impl<'a> Fields<'a> {
    /// Reports a problem and returns none when `value` is not an object.
    pub(super) fn open(problems: &'a Problems, state: Option<&'a str>, at: &str, value: &'a Value) -> Option<Self> {
        let Some(object) = value.as_object() else {
            problems.report(state, at, Problem::WrongType("an object"));
            return None;
        };
        Some(Self {
            problems,
            state,
            prefix: if at.is_empty() { String::new() } else { format!("{at}.") },
            remaining: object.iter().map(|(key, value)| (&**key, value)).collect(),
        })
    }

    /// Opens `value`, an object inside this one.
    pub(super) fn inner(&self, at: &str, value: &'a Value) -> Option<Self> {
        Self::open(self.problems, self.state, &format!("{}{at}", self.prefix), value)
    }

    pub(super) fn report(&self, field: &str, problem: Problem) {
        self.problems.report(self.state, &format!("{}{field}", self.prefix), problem);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.remaining.iter().any(|(key, _)| *key == name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<&'a Value> {
        let at = self.remaining.iter().position(|(key, _)| *key == name)?;
        Some(self.remaining.remove(at).1)
    }

    pub(super) fn require(&mut self, name: &str) -> Option<&'a Value> {
        let value = self.take(name);
        if value.is_none() {
            self.report(name, Problem::Missing);
        }
        value
    }

    /// Takes all remaining fields, for an object whose keys are not known beforehand.
    pub(super) fn take_rest(&mut self) -> Vec<(&'a str, &'a Value)> {
        std::mem::take(&mut self.remaining)
    }

    /// Refuses every field that was not taken.
    pub(super) fn close(mut self) {
        for (name, _) in self.take_rest() {
            self.report(name, Problem::UnsupportedField);
        }
    }

    pub(super) fn string(&mut self, name: &str) -> Option<&'a str> {
        let value = self.take(name)?;
        self.checked(name, value.as_str().ok_or(Problem::WrongType("a string")))
    }

    pub(super) fn require_string(&mut self, name: &str) -> Option<&'a str> {
        let value = self.require(name)?;
        self.checked(name, value.as_str().ok_or(Problem::WrongType("a string")))
    }

    pub(super) fn integer(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(name)?;
        let number = value
            .as_u64()
            .filter(|number| range.contains(number))
            .ok_or(Problem::OutOfRange(*range.start(), *range.end()));
        self.checked(name, number)
    }

    pub(super) fn list(&mut self, name: &str) -> Option<&'a [Value]> {
        let value = self.take(name)?;
        let list = value.as_array().ok_or(Problem::WrongType("a list"));
        self.checked(name, list).map(Vec::as_slice)
    }

    pub(super) fn path(&mut self, name: &str) -> Option<Path> {
        let text = self.string(name)?;
        self.checked(name, Path::parse(text))
    }

    pub(super) fn reference(&mut self, name: &str) -> Option<Reference> {
        let text = self.string(name)?;
        self.checked(name, Reference::parse(text))
    }

    /// A path that is `$` when absent, and none for `null`.
    pub(super) fn path_or_null(&mut self, name: &str) -> Option<Path> {
        match self.remaining.iter().find(|(key, _)| *key == name) {
            None => Some(Path::Data(Reference::root())),
            Some((_, Value::Null)) => self.take(name).and(None),
            Some(_) => self.path(name),
        }
    }

    /// Like [`Fields::path_or_null`], for `ResultPath`.
    pub(super) fn reference_or_null(&mut self, name: &str) -> Option<Reference> {
        match self.remaining.iter().find(|(key, _)| *key == name) {
            None => Some(Reference::root()),
            Some((_, Value::Null)) => self.take(name).and(None),
            Some(_) => self.reference(name),
        }
    }

    pub(super) fn template(&mut self, name: &str) -> Option<Template> {
        let value = self.take(name)?;
        Some(self.parse_template(name, value))
    }

    pub(super) fn parse_template(&self, name: &str, value: &Value) -> Template {
        Template::parse(value, name, &mut |at, problem| self.report(at, problem))
    }

    /// The value, or none after reporting the problem.
    pub(super) fn checked<T>(&self, name: &str, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.report(name, problem)).ok()
    }
}
