//! Reads the base commit's contents from the pristine git directory, without starting git.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use gix_object::{Find, FindHeader, Kind};

pub(crate) struct ObjectStore {
    directory: PathBuf,
    hash: gix_hash::Kind,
    /// Opened when the first content is wanted.
    store: OnceCell<Option<gix_odb::Handle>>,
}

impl ObjectStore {
    pub(crate) fn new(git_dir: &Path, hash: gix_hash::Kind) -> Self {
        Self { directory: git_dir.join("objects"), hash, store: OnceCell::new() }
    }

    /// The content of a blob of at most `limit` bytes. None when it is larger, missing or damaged.
    pub(crate) fn blob(&self, id: &gix_hash::oid, limit: u64) -> Option<Vec<u8>> {
        let store = self.store.get_or_init(|| gix_odb::at(&self.directory, self.hash).ok()).as_ref()?;
        let header = store.try_header(id).ok()??;
        if header.kind != Kind::Blob || header.size > limit {
            return None;
        }
        let mut content = Vec::new();
        store.try_find(id, &mut content).ok()??;
        Some(content)
    }

    /// The id that git gives a content.
    pub(crate) fn id(&self, content: &[u8]) -> Option<gix_hash::ObjectId> {
        gix_object::compute_hash(self.hash, Kind::Blob, content).ok()
    }
}
