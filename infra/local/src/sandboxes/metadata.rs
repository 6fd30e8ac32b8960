//! What is stored of a sandbox beside its directory, where no command can change it.

use std::io;
use std::path::{Path, PathBuf};

use domain::ports::SandboxError;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    /// [`domain::ports::SandboxSpec::source`].
    pub source: Option<PathBuf>,
    /// Id of the boot in which the sandbox was created: its supervisor does not survive a reboot.
    boot: String,
}

impl Metadata {
    pub(super) fn new(source: Option<PathBuf>) -> Self {
        Self { source, boot: boot_id() }
    }

    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        std::fs::write(file(directory), serde_json::to_vec(self)?)
    }

    /// Reads the metadata of a sandbox that was created since the machine was started.
    pub(super) fn read(directory: &Path) -> Result<Self, SandboxError> {
        let text = std::fs::read(file(directory)).ok();
        let metadata: Option<Self> = text.and_then(|text| serde_json::from_slice(&text).ok());
        match metadata {
            None => Err(SandboxError::Lost(format!("{} cannot be read", file(directory).display()))),
            Some(metadata) if metadata.boot != boot_id() => {
                Err(SandboxError::Lost("the machine was restarted".to_owned()))
            }
            Some(metadata) => Ok(metadata),
        }
    }

    pub(super) fn remove(directory: &Path) {
        if let Err(error) = std::fs::remove_file(file(directory))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(error = domain::error_chain(&error), "the metadata of a sandbox was not removed");
        }
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.with_extension("json")
}

/// Identifies this boot of the machine.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
