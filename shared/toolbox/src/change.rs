//! A changeset as data: what differs from the base commit.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One path that differs from the base commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// The path holds this content now.
    Write {
        /// Relative to the workspace, with `/` between components.
        path: String,
        mode: Mode,
        /// As git stores it; for a symbolic link, its target.
        #[serde(rename = "content_base64", with = "base64_bytes")]
        content: Vec<u8>,
        /// Of `content`, in lower-case hexadecimal.
        sha256: String,
        /// Length of `content`.
        bytes: u64,
    },
    /// The path was in the base commit and is gone.
    Delete {
        /// Relative to the workspace, with `/` between components.
        path: String,
    },
}

impl Change {
    /// A write, with length and hash of `content` filled in.
    pub fn write(path: impl Into<String>, mode: Mode, content: Vec<u8>) -> Self {
        let (sha256, bytes) = (sha256_hex(&content), content.len() as u64);
        Self::Write { path: path.into(), mode, content, sha256, bytes }
    }

    /// The path that changed.
    pub fn path(&self) -> &str {
        match self {
            Self::Write { path, .. } | Self::Delete { path } => path,
        }
    }
}

/// The file modes that git knows and a changeset may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// An ordinary file.
    #[serde(rename = "100644")]
    Regular,
    /// An ordinary file with the executable bits.
    #[serde(rename = "100755")]
    Executable,
    /// A symbolic link.
    #[serde(rename = "120000")]
    Symlink,
}

impl Mode {
    /// Git's six digits.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
        }
    }
}

/// A path that differs and is not in the changeset, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skipped {
    /// Relative to the workspace; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// A clause, such as `it is a submodule`.
    pub reason: String,
}

/// A path on which old and new work could not be joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Relative to the workspace.
    pub path: String,
    /// What collided, and what stands in the workspace now.
    pub reason: String,
}

/// SHA-256 over the sorted paths, modes and content hashes, in hexadecimal.
///
/// Two changesets against the same base have the same digest exactly when they lead to the same files.
pub fn digest(changes: &[Change]) -> String {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| change.path());
    let mut hasher = Sha256::new();
    for change in sorted {
        match change {
            Change::Write { path, mode, sha256, .. } => {
                hasher.update(format!("{}\0{}\0{sha256}\0", path, mode.as_str()));
            }
            Change::Delete { path } => hasher.update(format!("{path}\0delete\0\0")),
        }
    }
    hexadecimal(&hasher.finalize())
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

/// Bytes as standard base64 in JSON.
pub(crate) mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}

/// The same, where there may be none.
pub(crate) mod optional_base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&STANDARD.encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| STANDARD.decode(text).map_err(de::Error::custom)).transpose()
    }
}
