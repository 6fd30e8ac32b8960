#![doc = include_str!("../README.md")]

pub mod survey;

pub use context::{Common, Context, Overlap};
pub use invocation::{StepHandler, invoke};
pub use model_call::ModelCaller;
pub use repository_settings::objection as objection_to_checks;
pub use setup::{DEFAULT_MAX_TOKENS, setup};
pub use steps::{AwaitUser, ExecuteTool, Finish, GenerateTurn, OpenPr, Plan, Prepare, Verify};
pub use tools::{ToolLimits, check_call};

mod briefing;
mod budget_warning;
mod command_environment;
mod compaction;
mod context;
mod empty_reply;
mod failure;
mod forge_stop;
mod instructions;
mod invocation;
mod loop_detection;
mod model_call;
mod network;
mod recap;
mod repository_settings;
mod setup;
mod steps;
mod tool_call;
mod tools;
mod verdicts;
mod workspace;
