//! A changeset: the paths that differ from the base commit. [`Change`] has the content with it, [`Difference`] its hash.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One path that differs from the base commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// The path now has this content.
    Write {
        /// Relative to the workspace, with `/` between components.
        path: String,
        mode: Mode,
        /// The content as git stores it, after git's filters; for a symbolic link, its target.
        #[serde(rename = "content_base64", with = "base64_bytes")]
        content: Vec<u8>,
        /// The hash of `content` in lower-case hexadecimal.
        sha256: String,
        /// The length of `content`.
        bytes: u64,
    },
    /// The path is in the base commit and no longer exists.
    Delete {
        /// Relative to the workspace, with `/` between components.
        path: String,
    },
}

impl Change {
    /// A [`Change::Write`] with the length and hash of `content`.
    pub fn write(path: impl Into<String>, mode: Mode, content: Vec<u8>) -> Self {
        let (sha256, bytes) = (sha256_hex(&content), content.len() as u64);
        Self::Write { path: path.into(), mode, content, sha256, bytes }
    }

    pub fn path(&self) -> &str {
        match self {
            Self::Write { path, .. } | Self::Delete { path } => path,
        }
    }
}

/// One path that differs from the base commit, without the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Difference {
    /// The path now has the content with this hash.
    Write {
        /// Relative to the workspace, with `/` between components.
        path: String,
        mode: Mode,
        /// The hash of the content as git stores it, in lower-case hexadecimal; for a symbolic link, of its target.
        sha256: String,
        /// The length of the content.
        bytes: u64,
    },
    /// The path is in the base commit and no longer exists.
    Delete {
        /// Relative to the workspace, with `/` between components.
        path: String,
    },
}

impl Difference {
    pub fn path(&self) -> &str {
        match self {
            Self::Write { path, .. } | Self::Delete { path } => path,
        }
    }
}

/// The content of a file, which its hash names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(#[serde(with = "base64_bytes")] pub Vec<u8>);

/// The file modes that a changeset may contain. Git's others are for submodules and directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// A regular file.
    #[serde(rename = "100644")]
    Regular,
    /// A regular file with the executable bits.
    #[serde(rename = "100755")]
    Executable,
    /// A symbolic link.
    #[serde(rename = "120000")]
    Symlink,
}

impl Mode {
    /// The mode as git writes it, in six octal digits.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
        }
    }
}

/// A path that differs from the base commit and was left out of the changeset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skipped {
    /// Relative to the workspace. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub path: String,
    /// A clause, such as `it is a submodule`.
    pub reason: String,
}

/// A path whose change could not be merged with the new base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Relative to the workspace.
    pub path: String,
    /// What collided, and what the workspace contains now.
    pub reason: String,
}

/// The digest of a changeset: SHA-256 over its sorted paths, modes and content hashes, in hexadecimal.
///
/// Two changesets against the same base have the same digest exactly when they lead to the same files.
pub fn digest(changes: &[Difference]) -> String {
    let mut sorted: Vec<&Difference> = changes.iter().collect();
    sorted.sort_by_key(|change| change.path());
    let mut hasher = Sha256::new();
    for change in sorted {
        match change {
            Difference::Write { path, mode, sha256, .. } => {
                hasher.update(format!("{path}\0{}\0{sha256}\0", mode.as_str()));
            }
            Difference::Delete { path } => hasher.update(format!("{path}\0delete\0\0")),
        }
    }
    hexadecimal(&hasher.finalize())
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

/// Serializes bytes as standard base64.
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

/// [`base64_bytes`] for an optional value.
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
