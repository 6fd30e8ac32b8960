use std::ops::RangeInclusive;

use serde_json::Value;

use super::problem::{Problem, Problems};
use crate::{path::Path, path::Reference, template::Template};

/// The fields of one JSON object of a definition. Each is taken once; what is left at the end is refused.
pub(super) struct Fields<'a> {
    problems: &'a Problems,
    state: Option<&'a str>,
    /// The path from the state to this object, empty or with its final dot.
    prefix: String,
    left: Vec<(&'a str, &'a Value)>,
}

impl<'a> Fields<'a> {
    /// Reports and answers none when `value` is not an object.
    pub(super) fn open(problems: &'a Problems, state: Option<&'a str>, at: &str, value: &'a Value) -> Option<Self> {
        let Some(object) = value.as_object() else {
            problems.report(state, at, Problem::WrongType("an object"));
            return None;
        };
        Some(Self {
            problems,
            state,
            prefix: if at.is_empty() { String::new() } else { format!("{at}.") },
            left: object.iter().map(|(key, value)| (&**key, value)).collect(),
        })
    }

    /// Opens an object inside this one.
    pub(super) fn inner(&self, at: &str, value: &'a Value) -> Option<Self> {
        Self::open(self.problems, self.state, &format!("{}{at}", self.prefix), value)
    }

    pub(super) fn report(&self, field: &str, problem: Problem) {
        self.problems.report(self.state, &format!("{}{field}", self.prefix), problem);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(key, _)| *key == name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<&'a Value> {
        let at = self.left.iter().position(|(key, _)| *key == name)?;
        Some(self.left.remove(at).1)
    }

    pub(super) fn require(&mut self, name: &str) -> Option<&'a Value> {
        let value = self.take(name);
        if value.is_none() {
            self.report(name, Problem::Missing);
        }
        value
    }

    /// What is left, for an object whose remaining keys mean something.
    pub(super) fn take_rest(&mut self) -> Vec<(&'a str, &'a Value)> {
        std::mem::take(&mut self.left)
    }

    /// Refuses every field that nobody took.
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

    pub(super) fn whole(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
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

    /// A path that may be `null` (nothing is read or written) and is the whole when absent.
    pub(super) fn path_or_null(&mut self, name: &str) -> Option<Path> {
        match self.left.iter().find(|(key, _)| *key == name) {
            None => Some(Path::Data(Reference::whole())),
            Some((_, Value::Null)) => self.take(name).and(None),
            Some(_) => self.path(name),
        }
    }

    /// Like [`Fields::path_or_null`], for `ResultPath`.
    pub(super) fn reference_or_null(&mut self, name: &str) -> Option<Reference> {
        match self.left.iter().find(|(key, _)| *key == name) {
            None => Some(Reference::whole()),
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

    pub(super) fn checked<T>(&self, name: &str, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.report(name, problem)).ok()
    }
}
