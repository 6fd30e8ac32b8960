#![doc = include_str!("../README.md")]

pub mod survey;

pub use context::Context;
pub use model_call::ModelCaller;
pub use setup::{DEFAULT_MAX_TOKENS, setup};
pub use steps::{AwaitUser, Common, ExecuteTool, Finish, GenerateTurn, OpenPr, Plan, Prepare, StepHandler, invoke};
pub use tools::ToolLimits;

mod brief;
mod clone;
mod context;
mod cut;
mod handover;
mod instructions;
mod model_call;
mod pull_request;
mod record;
mod run_tool;
mod setup;
mod steps;
mod stuck;
mod tools;
mod wait;
mod workspace;
mod wrap_up;
