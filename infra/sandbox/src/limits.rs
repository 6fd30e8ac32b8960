use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an exec may use. Resource limits are per process unless stated otherwise and are clamped to the host's hard limits.
///
/// Memory limits are off by default: `RLIMIT_AS` and `RLIMIT_DATA` of 2 GiB already stop Python and Node, whose runtimes
/// reserve far more than they use, and neither counts shared anonymous memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Tasks (processes and threads) of the whole sandbox at one time.
    pub processes: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Size of one written file, in bytes.
    pub file_bytes: u64,
    /// Processor time of one process.
    pub cpu: Option<Duration>,
    /// Heap and private writable memory of one process, in bytes (`RLIMIT_DATA`).
    pub data_bytes: Option<u64>,
    /// Address space of one process, in bytes (`RLIMIT_AS`).
    pub address_space_bytes: Option<u64>,
    /// `/dev/shm` of one exec, in bytes; isolated mode only.
    pub shared_memory_bytes: u64,
    /// How much of each output stream is kept from its start, in bytes.
    pub output_bytes: u64,
    /// How much of a longer stream is also kept from its end, in bytes.
    pub tail_bytes: u64,
    /// Time between SIGTERM to the main process's group and SIGKILL to everything.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 512,
            open_files: 4096,
            file_bytes: 1 << 30,
            cpu: None,
            data_bytes: None,
            address_space_bytes: None,
            shared_memory_bytes: 256 << 20,
            output_bytes: 10_000_000,
            tail_bytes: 64 << 10,
            grace: Duration::from_millis(500),
        }
    }
}
