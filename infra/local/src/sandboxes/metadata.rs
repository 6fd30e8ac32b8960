//! What is stored of a sandbox beside its directory, where no command can change it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Network;
use domain::ports::{SandboxError, SandboxSpec};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    /// [`SandboxSpec::source`].
    pub source: Option<PathBuf>,
    /// [`SandboxSpec::network`]. Absent in those that earlier versions created, which had none.
    #[serde(default)]
    pub network: Network,
    /// Whether it shows the toolchains of the machine's user.
    #[serde(default)]
    pub shows_toolchains: bool,
    /// That of [`SandboxSpec::resources`].
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Id of the boot in which the sandbox was created: its supervisor does not survive a reboot.
    boot: String,
    /// When the sandbox ends. Absent in those that earlier versions created.
    #[serde(default)]
    ends_at: Option<Timestamp>,
}

impl Metadata {
    pub(super) fn new(spec: &SandboxSpec, shows_toolchains: bool, now: Timestamp) -> Self {
        let lifetime = SignedDuration::try_from(spec.lifetime).unwrap_or(SignedDuration::MAX);
        let ends_at = now.checked_add(lifetime).ok();
        Self {
            source: spec.source.clone(),
            network: spec.network,
            shows_toolchains,
            memory_bytes: spec.resources.memory_bytes,
            boot: boot_id(),
            ends_at,
        }
    }

    /// Writes the metadata of a sandbox that does not exist yet. That of one which exists stays: its lifetime goes on.
    pub(super) fn create(&self, directory: &Path) -> io::Result<()> {
        if directory.exists() && Self::read(directory).is_ok() {
            return Ok(());
        }
        // In one step: whoever reads it reads all of it.
        let new = directory.with_extension("json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(new, file_of(directory))
    }

    /// Reads the metadata of a sandbox that was created since the machine was started.
    pub(super) fn read(directory: &Path) -> Result<Self, SandboxError> {
        let text = std::fs::read(file_of(directory)).ok();
        let metadata: Option<Self> = text.and_then(|text| serde_json::from_slice(&text).ok());
        match metadata {
            None => Err(SandboxError::Lost(format!("{} does not exist", directory.display()))),
            Some(metadata) if metadata.boot != boot_id() => {
                Err(SandboxError::Lost("the machine was restarted".to_owned()))
            }
            Some(metadata) => Ok(metadata),
        }
    }

    pub(super) fn time_left(&self, now: Timestamp) -> Duration {
        let Some(ends_at) = self.ends_at else { return Duration::from_hours(24) };
        Duration::try_from(ends_at.duration_since(now)).unwrap_or_default()
    }

    /// Removes it, and the log of the network.
    pub(super) fn remove(directory: &Path) {
        for file in [file_of(directory), request_log_of(directory)] {
            if let Err(error) = std::fs::remove_file(file)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(error = domain::error_chain(&error), "the metadata of a sandbox was not removed");
            }
        }
    }
}

/// Where the proxy of a sandbox writes down what was asked for.
pub(super) fn request_log_of(directory: &Path) -> PathBuf {
    directory.with_extension("network")
}

fn file_of(directory: &Path) -> PathBuf {
    directory.with_extension("json")
}

/// Identifies this boot of the machine.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
