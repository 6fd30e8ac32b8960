#![doc = include_str!("../README.md")]

pub use accounting::MemoryAccountant;
pub use error::Error;
pub use exec::{Exec, ExecId, Output};
pub use exit::{Captured, Exit, Status};
pub use layout::Layout;
pub use limits::{LimitReached, Limits, Totals};
pub use part::Part;
pub use removal::{is_in_use, remove_directory};
pub use sandbox::{Ended, Ending, Found, Progress, Sandbox, Source};
pub use specification::{Mode, Mount, Network, PROXY, Specification, Survives};
pub use spool::Stream;
pub use system::{close_all_on_exec, landlock_version};

mod accounting;
mod capture;
mod command;
mod environment;
mod error;
mod exec;
mod exit;
mod ground;
mod hold;
mod init;
mod keeper;
mod layout;
mod limits;
mod part;
mod place;
mod removal;
mod restrictions;
mod running;
mod sandbox;
mod specification;
mod spool;
mod system;
mod wire;
