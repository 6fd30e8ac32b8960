//! First arguments with which the program starts itself again. They are not commands for users.

/// Starts the supervisor of a local sandbox.
pub const SUPERVISOR: &str = "sandbox-supervisor";
