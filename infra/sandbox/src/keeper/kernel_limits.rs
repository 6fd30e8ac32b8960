//! Limits of the kernel's own that belong to a namespace, set while this process may.

use std::fs;
use std::io;

/// Of the 128 or so that the machine's user has.
const MAX_INOTIFY_INSTANCES: u64 = 32;
const MAX_INOTIFY_WATCHES: u64 = 65_536;
const MAX_MESSAGE_QUEUES: u64 = 32;
const MAX_SHARED_SEGMENTS: u64 = 128;
/// Semaphores per set, in all, operations per call, sets.
const SEMAPHORES: &str = "250 8000 100 128";
const PAGE_BYTES: u64 = 4096;

/// Those of the user namespace. What commands take is taken from the machine's user, who must have some left. Kernels without one of these
/// settings do without it.
pub(super) fn limit_user() {
    for (name, value) in
        [("max_inotify_instances", MAX_INOTIFY_INSTANCES), ("max_inotify_watches", MAX_INOTIFY_WATCHES)]
    {
        let file = format!("/proc/sys/user/{name}");
        let present = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
        let _ = fs::write(file, value.min(present).to_string());
    }
}

/// Those of an IPC namespace: System V memory and queues belong to no process.
///
/// # Errors
///
/// On kernels before 6.0, which let nobody but the machine's root set them, and where the namespace has no root: that of an ordinary user.
pub(super) fn limit_ipc(shared_memory_bytes: u64) -> io::Result<()> {
    let set = |name: &str, value: String| fs::write(format!("/proc/sys/kernel/{name}"), value);
    set("shmmax", shared_memory_bytes.to_string())?;
    set("shmall", shared_memory_bytes.div_ceil(PAGE_BYTES).to_string())?;
    set("shmmni", MAX_SHARED_SEGMENTS.to_string())?;
    set("msgmni", MAX_MESSAGE_QUEUES.to_string())?;
    set("sem", SEMAPHORES.to_owned())
}
