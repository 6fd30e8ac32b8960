#![doc = include_str!("../README.md")]

pub use definition::{Catcher, Retrier, State, StateKind, StateMachine, Task};
pub use failure::Failure;
pub use interpreter::{Interpreter, RunError};
pub use ports::{ExecutionStore, Random, StoreError, TaskAnswer, TaskCall, Tasks, Time};
pub use position::{End, Position, Progress, StateEntry};
pub use problem::{DefinitionError, Problem};

mod context;
mod definition;
mod failure;
mod interpreter;
mod path;
mod ports;
mod position;
mod problem;
mod rfc3339;
mod run;
mod size;
mod template;
