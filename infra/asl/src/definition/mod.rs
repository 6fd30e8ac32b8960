//! Reads a definition and checks it. Everything that can be wrong with it is found here, before an execution starts.

pub(crate) use choice::{Choice, Comparison, Operand, Relation, Rule, Test, TypeTest};
pub(crate) use fields::MAX_SECONDS;
pub(crate) use model::{Body, Text, Transition, WaitUntil};
pub use model::{State, StateKind, StateMachine};
pub use retry::{Catcher, Retrier};
pub use task::Task;
pub(crate) use task::TaskTimeout;

mod choice;
mod fields;
mod graph;
mod model;
mod parse;
mod retry;
mod substitute;
mod task;
