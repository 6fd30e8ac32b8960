#![doc = include_str!("../README.md")]

pub use attached::{Attached, Found};
pub use error::Error;
pub use examine::{Finding, examine};
pub use exec::{Exec, ExecId, Output};
pub use exit::{Captured, Exit, Status};
pub use layout::Layout;
pub use limits::Limits;
pub use part::Part;
pub use removal::remove_directory;
pub use sandbox::Sandbox;
pub use specification::{Launcher, Mode, Mount, Network, Specification, Survives};
pub use spool::Stream;
pub use supervisor::supervise;

mod attached;
mod capture;
mod command;
mod connection;
mod error;
mod examine;
mod exec;
mod exit;
mod init;
mod keeper;
mod layout;
mod limits;
mod part;
mod removal;
mod restrictions;
mod sandbox;
mod spawner;
mod specification;
mod spool;
mod supervisor;
mod system;
mod wire;
