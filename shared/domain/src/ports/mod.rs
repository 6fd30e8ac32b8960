//! The ports: what the agent needs from the outside, each with the contract that every implementation keeps.

mod accounts;
mod blobs;
mod clock;
mod event_log;
mod forge;
mod ids;
mod live_text;
mod model;
mod sandboxes;
mod secrets;
mod sessions;
mod traces;
mod workflows;

pub use accounts::*;
pub use blobs::*;
pub use clock::*;
pub use event_log::*;
pub use forge::*;
pub use ids::*;
pub use live_text::*;
pub use model::*;
pub use sandboxes::*;
pub use secrets::*;
pub use sessions::*;
pub use traces::*;
pub use workflows::*;
