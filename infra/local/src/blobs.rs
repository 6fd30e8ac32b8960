//! Blobs in a directory: one file per content, named by its digest, in a subdirectory per session.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use async_trait::async_trait;
use domain::ports::{BlobError, Blobs};
use domain::{BlobRef, Dependency, Digest256, SessionId, Unavailable};

pub struct DirectoryBlobs {
    directory: PathBuf,
}

impl DirectoryBlobs {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn session_directory(&self, session: &SessionId) -> PathBuf {
        self.directory.join(session.as_str())
    }

    fn file(&self, session: &SessionId, digest: &Digest256) -> PathBuf {
        self.session_directory(session).join(digest.as_str())
    }

    fn write(&self, session: &SessionId, digest: &Digest256, content: &[u8]) -> io::Result<()> {
        let file = self.file(session, digest);
        // A damaged file is written again.
        if fs::read(&file).is_ok_and(|stored| stored == content) {
            return Ok(());
        }
        let directory = self.session_directory(session);
        fs::create_dir_all(&directory)?;
        // A reader sees the whole file or none: it is written under another name, synced, and renamed.
        let new = directory.join(format!("{}.new-{}", digest.as_str(), std::process::id()));
        let mut temporary = File::create(&new)?;
        temporary.write_all(content)?;
        temporary.sync_all()?;
        fs::rename(&new, &file)?;
        // The rename is on the disk when its directory is.
        File::open(&directory)?.sync_all()
    }
}

#[async_trait]
impl Blobs for DirectoryBlobs {
    async fn put(&self, session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable> {
        let digest = Digest256::of(content);
        self.write(session, &digest, content).map_err(unavailable)?;
        Ok(BlobRef { sha256: digest, bytes: content.len() as u64 })
    }

    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, BlobError> {
        let content = match fs::read(self.file(session, digest)) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BlobError::Gone(digest.clone())),
            Err(error) => return Err(unavailable(error).into()),
        };
        if Digest256::of(&content) != *digest {
            tracing::error!(session_id = %session, blob = digest.as_str(), "a blob is damaged: its content does not match its digest");
            return Err(BlobError::Gone(digest.clone()));
        }
        Ok(content)
    }

    async fn delete(&self, session: &SessionId, digest: &Digest256) -> Result<(), Unavailable> {
        match fs::remove_file(self.file(session, digest)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn delete_session(&self, session: &SessionId) -> Result<(), Unavailable> {
        match fs::remove_dir_all(self.session_directory(session)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn unavailable(error: io::Error) -> Unavailable {
    Unavailable::new(Dependency::Blobs, error)
}
