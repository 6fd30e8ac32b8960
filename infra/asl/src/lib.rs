#![doc = include_str!("../README.md")]

pub use definition::{Catcher, DefinitionError, Problem, Retrier, State, StateKind, StateMachine, Task};
pub use failure::Failure;
pub use interpreter::{Interpreter, RunError};
pub use ports::{ExecutionStore, Random, StoreError, TaskAnswer, TaskCall, Tasks, Time};
pub use position::{End, Place, Position, StateEntry};

mod context;
mod definition;
mod failure;
mod interpreter;
mod path;
mod ports;
mod position;
mod rfc3339;
mod run;
mod size;
mod template;
