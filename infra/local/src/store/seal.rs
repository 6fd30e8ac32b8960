//! Encrypts the tokens of waiting tasks on the disk: whoever has such a token can answer the task.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;

/// Seals and unseals with a key in a file of its own, which only its owner can read.
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
}

/// The value was sealed with another key, or is corrupt.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value cannot be opened: it was sealed with another key, or is corrupt")]
pub(super) struct SealError;

impl Seal {
    /// Reads the key from `file`, or generates one.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        let key = match fs::read(file) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::generate_key(file)?,
            Err(error) => return Err(error),
        };
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} does not hold a key", file.display()))
        })?;
        Ok(Self { cipher })
    }

    /// Two processes may start at the same time. A hard link fails when its target exists, so the first key wins and both use it.
    fn generate_key(file: &Path) -> io::Result<Vec<u8>> {
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        let new = file.with_extension(format!("new-{}", std::process::id()));
        let mut temporary = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        temporary.write_all(&key)?;
        temporary.sync_all()?;
        let linked = fs::hard_link(&new, file);
        fs::remove_file(&new)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let key = fs::read(file)?;
        if key.len() == KEY_BYTES { Ok(key) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
    }

    pub(super) fn seal(&self, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let mut sealed = nonce.to_vec();
        sealed.extend(self.cipher.encrypt(&nonce, text).map_err(|_| SealError)?);
        Ok(sealed)
    }

    pub(super) fn unseal(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(SealError)?;
        self.cipher.decrypt(XNonce::from_slice(nonce), text).map_err(|_| SealError)
    }
}
