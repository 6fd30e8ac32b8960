#![doc = include_str!("../README.md")]

pub mod cli;
pub mod roles;

pub use blobs::DirectoryBlobs;
pub use clock::{RandomIds, WallClock};
pub use driver::{Stopped, WhileWaiting, drive};
pub use engine::Engine;
pub use forge::{LocalForge, PullRecord};
pub use lock::{Locks, SessionLock};
pub use model_access::ModelAccess;
pub use sandboxes::LocalSandboxes;
pub use server::{Options, Server, Tokens};
pub use settings::{Containment, Settings, variables};
pub use store::Store;
pub use world::{KeepTree, World};

mod blobs;
mod clock;
mod driver;
mod engine;
mod forge;
mod live;
mod lock;
mod model_access;
mod sandboxes;
mod server;
mod settings;
mod store;
mod world;
