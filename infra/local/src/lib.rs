#![doc = include_str!("../README.md")]

pub mod cli;
pub mod reexec;

pub use blobs::DirectoryBlobs;
pub use clock::{RandomIds, WallClock};
pub use driver::{DriveOutcome, WaitPolicy, drive_session};
pub use engine::{Engine, StepTasks};
pub use forge::{LocalForge, PullRecord};
pub use live::LiveDirectory;
pub use lock::{SessionLock, SessionLocks};
pub use network::{Networks, RecordedTool, Registries};
pub use sandboxes::LocalSandboxes;
pub use server::{Server, ServerOptions, TokenPolicy};
pub use settings::{
    CommandLimits, Containment, EnvironmentSecrets, HostEnvironment, ModelAccess, Settings, SettingsError,
    Toolchains as ToolchainSetting, variables,
};
pub use store::Store;
pub use toolchains::{Toolchain, Toolchains};
pub use world::{KeepTree, World};

mod blobs;
mod clock;
mod driver;
mod engine;
mod forge;
mod home;
mod live;
mod lock;
mod network;
mod owner;
mod recovery;
mod sandboxes;
mod server;
mod settings;
mod store;
mod toolchains;
mod world;
