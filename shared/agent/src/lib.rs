#![doc = include_str!("../README.md")]

pub mod survey;

pub use context::Context;
pub use model_call::ModelCaller;
pub use setup::{DEFAULT_MAX_TOKENS, setup};
pub use steps::{AwaitUser, Common, ExecuteTool, Finish, GenerateTurn, OpenPr, Plan, Prepare, StepHandler, invoke};
pub use tools::{ToolLimits, check_call};

mod brief;
mod budget_warning;
mod clone;
mod compaction;
mod context;
mod instructions;
mod loop_detection;
mod model_call;
mod pull_request;
mod record;
mod setup;
mod steps;
mod tool_call;
mod tools;
mod wait;
mod workspace;
