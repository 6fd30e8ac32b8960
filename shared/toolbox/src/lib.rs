#![doc = include_str!("../README.md")]

pub use change::{Change, Conflict, Content, Difference, Mode, Skipped, digest};
pub use error::{ErrorKind, Failure};
pub use operations::baseline::{Baseline, BaselineTaken};
pub use operations::collect::{Collect, Collected, Limits};
pub use operations::create::Create;
pub use operations::edited::Edited;
pub use operations::glob::{Glob, Globbed};
pub use operations::grep::{Grep, GrepMode, Grepped};
pub use operations::insert::Insert;
pub use operations::instructions::{Instruction, Instructions, InstructionsRead};
pub use operations::put_back::{PutBack, WasPutBack};
pub use operations::rebase::{Rebase, RebaseChange, Rebased};
pub use operations::settle::{Settle, Settled};
pub use operations::str_replace::StrReplace;
pub use operations::survey::{Extension, Manifest, Survey, Surveyed};
pub use operations::view::{View, Viewed};
pub use protocol::{Answer, Call, Request, Response, VERSION};
pub use serve::Toolbox;

mod change;
mod error;
mod files;
mod git;
mod operations;
mod protocol;
mod serve;
mod text;
mod worktree;
