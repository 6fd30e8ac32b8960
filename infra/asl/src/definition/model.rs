use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Choice, Task};
use crate::{
    path::{Path, Reference},
    template::Template,
};

/// A parsed and checked definition: every state that it names exists, and the interpreter supports every field.
#[derive(Clone, Debug)]
pub struct StateMachine {
    pub(super) start_at: String,
    pub(super) timeout: Option<Duration>,
    pub(super) states: Vec<State>,
}

impl StateMachine {
    /// The name of the first state.
    pub fn start_at(&self) -> &str {
        &self.start_at
    }

    /// How long an execution may take; none for no limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The states in the order of the definition.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.states.iter()
    }

    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.name == name)
    }
}

/// One state of a definition.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) name: String,
    /// None for `null`, which gives the state an empty object.
    pub(crate) input_path: Option<Path>,
    /// None for `null`, which makes the output an empty object.
    pub(crate) output_path: Option<Path>,
    pub(crate) body: Body,
}

/// The supported state types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    Task,
    Choice,
    Pass,
    Wait,
    Succeed,
    Fail,
}

impl State {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state's `Type`.
    pub fn kind(&self) -> StateKind {
        match &self.body {
            Body::Task { .. } => StateKind::Task,
            Body::Choice(_) => StateKind::Choice,
            Body::Pass { .. } => StateKind::Pass,
            Body::Wait { .. } => StateKind::Wait,
            Body::Succeed => StateKind::Succeed,
            Body::Fail { .. } => StateKind::Fail,
        }
    }

    /// The task of a Task state; none for the other kinds.
    pub fn task(&self) -> Option<&Task> {
        match &self.body {
            Body::Task { task, .. } => Some(task),
            Body::Choice(_) | Body::Pass { .. } | Body::Wait { .. } | Body::Succeed | Body::Fail { .. } => None,
        }
    }

    /// Every state that may follow this one, with the path of the field that names it.
    pub fn targets(&self) -> Vec<(String, &str)> {
        match &self.body {
            Body::Task { task, next } => {
                let caught = task.catches.iter().enumerate();
                let caught = caught.map(|(index, catch)| (format!("Catch[{index}].Next"), catch.next()));
                next.target().into_iter().chain(caught).collect()
            }
            Body::Choice(choice) => choice.targets(),
            Body::Pass { next, .. } | Body::Wait { next, .. } => next.target().into_iter().collect(),
            Body::Succeed | Body::Fail { .. } => Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Task { task: Box<Task>, next: Transition },
    Choice(Choice),
    Pass { result: Option<Value>, parameters: Option<Template>, result_path: Option<Reference>, next: Transition },
    Wait { until: WaitUntil, next: Transition },
    Succeed,
    Fail { error: Option<Text>, cause: Option<Text> },
}

#[derive(Clone, Debug)]
pub(crate) enum Transition {
    Next(String),
    End,
}

impl Transition {
    fn target(&self) -> Option<(String, &str)> {
        match self {
            Self::Next(state) => Some(("Next".to_owned(), state)),
            Self::End => None,
        }
    }
}

/// When a Wait state ends.
#[derive(Clone, Debug)]
pub(crate) enum WaitUntil {
    Seconds(u64),
    SecondsPath(Reference),
    Timestamp(Timestamp),
    TimestampPath(Reference),
}

/// The `Error` or `Cause` of a Fail state: a literal, or a path into the input.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Literal(String),
    Read(Path),
}
