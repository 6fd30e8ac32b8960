//! The Claude Messages API on this machine, played from a script.

pub use bill::Charge;
pub use gate::Gate;
pub use recorded::Recorded;
pub use script::{Script, ScriptError};
pub use server::{Server, Settings};

mod answer;
mod api_error;
mod bill;
mod cache;
mod check;
mod connection;
mod diagnostics;
mod digest;
mod fault;
mod gate;
mod kept;
mod models;
mod play;
mod recorded;
mod request;
mod route;
mod script;
mod server;
mod signature;
mod stream;
mod wire;
