use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Limits;
use crate::part::{Failure, Part};

/// Linux' own default on a machine of 256 MB.
const MAX_QUEUED_SIGNALS: u64 = 1024;
/// Linux' own defaults.
const MAX_MESSAGE_QUEUE_BYTES: u64 = 819_200;
const MAX_LOCKED_BYTES: u64 = 8 << 20;

/// Applies the limits to the calling process, clamped to what it may have.
pub(crate) fn apply(limits: &Limits) -> Result<(), Failure> {
    let processor_seconds = limits.cpu.map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0));
    let wanted = [
        (Resource::RLIMIT_NPROC, Some(limits.processes)),
        (Resource::RLIMIT_NOFILE, Some(limits.open_files)),
        (Resource::RLIMIT_FSIZE, Some(limits.file_bytes)),
        // Not 0, which a pipe as `core_pattern` ignores: the kernel hands no image to a pipe at 1.
        (Resource::RLIMIT_CORE, Some(1)),
        (Resource::RLIMIT_CPU, processor_seconds),
        (Resource::RLIMIT_DATA, limits.data_bytes),
        (Resource::RLIMIT_AS, limits.address_space_bytes),
        // Counted for the user as a whole, whose other processes would go without.
        (Resource::RLIMIT_SIGPENDING, Some(MAX_QUEUED_SIGNALS)),
        (Resource::RLIMIT_MSGQUEUE, Some(MAX_MESSAGE_QUEUE_BYTES)),
        (Resource::RLIMIT_MEMLOCK, Some(MAX_LOCKED_BYTES)),
        // Whatever the user may do to the machine's schedule, a command may not.
        (Resource::RLIMIT_RTPRIO, Some(0)),
        (Resource::RLIMIT_NICE, Some(0)),
    ];
    for (resource, value) in wanted {
        let Some(value) = value else { continue };
        let failed = || Failure::of(Part::Privileges, "limiting resources");
        let (_, hard) = getrlimit(resource).map_err(failed())?;
        let value = value.min(hard);
        // At the soft limit of processor time comes a signal that says why, at the hard one another that does not.
        let most = if resource == Resource::RLIMIT_CPU { value.saturating_add(1).min(hard) } else { value };
        setrlimit(resource, value, most).map_err(failed())?;
    }
    Ok(())
}

/// How many tasks a user has on this machine now. Outside a user namespace the kernel counts them all against the limit.
pub(crate) fn tasks_of(user: u32) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let of_user = processes.flatten().filter(|entry| {
        let numeric = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        numeric && entry.metadata().is_ok_and(|metadata| metadata.uid() == user)
    });
    of_user.map(|entry| fs::read_dir(entry.path().join("task")).map_or(0, |tasks| tasks.count() as u64)).sum()
}
