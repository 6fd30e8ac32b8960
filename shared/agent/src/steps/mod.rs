//! The steps of the workflow, one file or directory each. A step imports no other. What several of them need is in the crate's
//! other modules, such as [`crate::context`] and [`crate::verdicts`].

mod await_user;
mod execute_tool;
mod finish;
mod generate_turn;
mod open_pr;
mod plan;
mod prepare;
mod verify;

pub use await_user::AwaitUser;
pub use execute_tool::ExecuteTool;
pub use finish::Finish;
pub use generate_turn::GenerateTurn;
pub use open_pr::OpenPr;
pub use plan::Plan;
pub use prepare::Prepare;
pub use verify::Verify;
