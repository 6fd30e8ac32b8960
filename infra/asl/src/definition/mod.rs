//! What a definition says, and how it is read: everything that could go wrong is found here, before a run.

pub(crate) use choice::{Choice, Is, Kind, Operand, Relation, Rule, Test};
pub(crate) use machine::{Body, Text, Transition, WaitUntil};
pub use machine::{State, StateKind, StateMachine};
pub use problem::{DefinitionError, Problem};
pub use retry::{Catcher, Retrier};
pub use task::Task;
pub(crate) use task::TaskTimeout;

mod choice;
mod fields;
mod graph;
mod machine;
mod problem;
mod retry;
mod state;
mod substitute;
mod task;
