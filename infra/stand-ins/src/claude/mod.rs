//! The Claude Messages API on this machine, played from a script.

pub use bill::Charge;
pub use gate::Gate;
pub use request_log::RecordedRequest;
pub use script::{Script, ScriptError};
pub use server::Server;
pub use settings::Settings;

mod answer;
mod api_error;
mod bill;
mod body_store;
mod cache;
mod cache_breakpoint;
mod canonical;
mod check;
mod connection;
mod diagnostics;
mod digest;
mod fault;
mod gate;
mod models;
mod parse;
mod play;
mod reply;
mod request;
mod request_log;
mod route;
mod script;
mod server;
mod settings;
mod signature;
mod state;
mod stream;
mod wire;
