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

/// What everything in a sandbox may use together: all its commands, and the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Memory, in bytes: with what the kernel keeps for the sandbox, where a control group can be made.
    pub memory_bytes: Option<u64>,
    /// Sockets; only where no control group can be made, since their memory is counted there.
    pub sockets: Option<u64>,
    /// Space that workspace, home and temporary files take on the disk, in bytes.
    pub disk_bytes: Option<u64>,
    /// Files, directories and links in them.
    pub disk_files: Option<u64>,
}

/// A limit that ended a command, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitReached {
    /// [`Totals::memory_bytes`].
    Memory,
    /// [`Totals::sockets`].
    Sockets,
    /// [`Totals::disk_bytes`].
    DiskSpace,
    /// [`Totals::disk_files`].
    DiskFiles,
    /// [`Limits::cpu`].
    ProcessorTime,
    /// [`Limits::file_bytes`].
    FileSize,
}
