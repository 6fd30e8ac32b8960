//! Encrypts what may not stand readable on the disk: the handles of waiting tasks.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const NONCE: usize = 24;
const KEY: usize = 32;

/// A key that stays in a file of its own, readable by its owner only.
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
}

/// Something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[error("what was encrypted with another key, or damaged, cannot be opened")]
pub(super) struct SealError;

impl Seal {
    /// Reads the key, or makes one.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        let key = match fs::read(file) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(file)?,
            Err(error) => return Err(error),
        };
        let cipher = XChaCha20Poly1305::new_from_slice(&key)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{} is no key", file.display())))?;
        Ok(Self { cipher })
    }

    /// Two processes may start at once: the key that is linked first counts.
    fn make(file: &Path) -> io::Result<Vec<u8>> {
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        let new = file.with_extension(format!("new-{}", std::process::id()));
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        made.write_all(&key)?;
        made.sync_all()?;
        let linked = fs::hard_link(&new, file);
        fs::remove_file(&new)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let key = fs::read(file)?;
        if key.len() == KEY { Ok(key) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
    }

    pub(super) fn seal(&self, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let mut sealed = nonce.to_vec();
        sealed.extend(self.cipher.encrypt(&nonce, text).map_err(|_| SealError)?);
        Ok(sealed)
    }

    pub(super) fn open_sealed(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE).ok_or(SealError)?;
        self.cipher.decrypt(XNonce::from_slice(nonce), text).map_err(|_| SealError)
    }
}
