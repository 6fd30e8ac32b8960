use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Choice, DefinitionError, Task, problem::Problems, state, substitute::substitute};
use crate::{
    path::{Path, Reference},
    template::Template,
};

/// A definition that was read and found sound: every state it names exists, every field is one this interpreter acts on.
#[derive(Clone, Debug)]
pub struct StateMachine {
    pub(super) start_at: String,
    pub(super) timeout: Option<Duration>,
    pub(super) states: Vec<State>,
}

impl StateMachine {
    /// Reads a definition. `substitutions` answers for the `${Name}` in its strings.
    ///
    /// # Errors
    /// Everything that is wrong or not supported, each with its state and field.
    pub fn parse(text: &str, substitutions: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<DefinitionError>> {
        let problems = Problems::default();
        let machine = state::parse_text(text, &problems, |written| substitute(written, &substitutions, &problems));
        match (machine, problems.into_vec()) {
            (Some(machine), problems) if problems.is_empty() => Ok(machine),
            (_, problems) => Err(problems),
        }
    }

    /// The name of the first state.
    pub fn start_at(&self) -> &str {
        &self.start_at
    }

    /// How long an execution may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The states in the order of the text.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.states.iter()
    }

    /// The state of that name.
    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.name == name)
    }
}

/// One state of a definition.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) name: String,
    /// `InputPath`; none for `null`.
    pub(crate) input_path: Option<Path>,
    /// `OutputPath`; none for `null`.
    pub(crate) output_path: Option<Path>,
    pub(crate) body: Body,
}

/// The state types that are supported.
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
    /// Its name, unique in the machine.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its `Type`.
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

    /// What a Task state does; none for the other kinds.
    pub fn task(&self) -> Option<&Task> {
        match &self.body {
            Body::Task { task, .. } => Some(task),
            Body::Choice(_) | Body::Pass { .. } | Body::Wait { .. } | Body::Succeed | Body::Fail { .. } => None,
        }
    }

    /// Every state this one may go on to, with the field that says so.
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

#[derive(Clone, Debug)]
pub(crate) enum WaitUntil {
    Seconds(u64),
    SecondsPath(Reference),
    Timestamp(Timestamp),
    TimestampPath(Reference),
}

/// A text of a Fail state: written out, or read from the input.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Literal(String),
    Read(Path),
}
