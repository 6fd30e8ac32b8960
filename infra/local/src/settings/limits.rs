//! Settings of what commands may use.

use std::time::Duration;

use sandbox::{Limits, Totals};

use super::SettingsError;
use super::variables as names;

const MEGABYTE: u64 = 1 << 20;

/// Disk space of a sandbox, in megabytes.
const DEFAULT_DISK: u64 = 10 * 1024;
const DEFAULT_DISK_FILES: u64 = 1_000_000;
/// Memory of a sandbox, in megabytes, where the machine's cannot be told.
const DEFAULT_MEMORY: u64 = 4096;
/// More than test suites have at one time.
const MAX_SOCKETS: u64 = 2000;

/// What a command may use, and what all commands of a sandbox may use together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLimits {
    pub each: Limits,
    pub together: Totals,
}

impl CommandLimits {
    pub(super) fn read(
        number: &impl Fn(&'static str) -> Result<Option<u64>, SettingsError>,
    ) -> Result<Self, SettingsError> {
        let at_least = |name, least: u64| {
            let value = number(name)?;
            match value {
                Some(value) if value < least => {
                    Err(SettingsError::new(name, &value.to_string(), format!("at least {least} is expected")))
                }
                value => Ok(value),
            }
        };
        let megabytes = |name, default: u64| Ok(at_least(name, 16)?.unwrap_or(default).saturating_mul(MEGABYTE));
        let defaults = Limits::default();
        let each = Limits {
            processes: at_least(names::BACKSPACE_SANDBOX_PROCESSES, 8)?.unwrap_or(defaults.processes),
            open_files: at_least(names::BACKSPACE_SANDBOX_OPEN_FILES, 64)?.unwrap_or(defaults.open_files),
            file_bytes: megabytes(names::BACKSPACE_SANDBOX_FILE_MB, defaults.file_bytes / MEGABYTE)?,
            cpu: at_least(names::BACKSPACE_SANDBOX_CPU_SECONDS, 1)?.map(Duration::from_secs),
            ..defaults
        };
        let together = Totals {
            memory_bytes: Some(megabytes(names::BACKSPACE_SANDBOX_MEMORY_MB, half_of_the_memory())?),
            sockets: Some(MAX_SOCKETS),
            disk_bytes: Some(megabytes(names::BACKSPACE_SANDBOX_DISK_MB, DEFAULT_DISK)?),
            disk_files: Some(DEFAULT_DISK_FILES),
        };
        Ok(Self { each, together })
    }
}

/// Half of what the machine has, in megabytes.
fn half_of_the_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    total.map_or(DEFAULT_MEMORY, |kilobytes| kilobytes / 2 / 1024)
}
