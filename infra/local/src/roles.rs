//! The roles in which the program starts itself again. They are no commands for people.

/// Supervises a local sandbox.
pub const SUPERVISOR: &str = "sandbox-supervisor";

/// Is the toolbox inside a sandbox.
pub const TOOLBOX: &str = "toolbox";
