//! Blobs in a directory: one file per content, named by its digest, in a subdirectory per session.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use async_trait::async_trait;
use domain::ports::Blobs;
use domain::{BlobRef, Dependency, Digest256, SessionId, Unavailable};

pub struct DirectoryBlobs {
    directory: PathBuf,
}

impl DirectoryBlobs {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn file(&self, session: &SessionId, digest: &Digest256) -> PathBuf {
        self.directory.join(session.as_str()).join(digest.as_str())
    }

    fn write(&self, session: &SessionId, digest: &Digest256, content: &[u8]) -> io::Result<()> {
        let file = self.file(session, digest);
        if file.exists() {
            return Ok(());
        }
        let directory = self.directory.join(session.as_str());
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
        self.write(session, &digest, content).map_err(|error| Unavailable::new(Dependency::Blobs, error))?;
        Ok(BlobRef { sha256: digest, bytes: content.len() as u64 })
    }

    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, Unavailable> {
        let content =
            fs::read(self.file(session, digest)).map_err(|error| Unavailable::new(Dependency::Blobs, error))?;
        if Digest256::of(&content) != *digest {
            return Err(Unavailable::new(
                Dependency::Blobs,
                format!("{} is corrupt: its content does not match its digest", digest.as_str()),
            ));
        }
        Ok(content)
    }

    async fn delete(&self, session: &SessionId, digest: &Digest256) -> Result<(), Unavailable> {
        match fs::remove_file(self.file(session, digest)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Unavailable::new(Dependency::Blobs, error)),
        }
    }
}
