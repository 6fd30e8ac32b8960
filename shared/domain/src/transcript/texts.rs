//! The replies and results that are stored outside their events, because they are too long for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::ports::{BlobError, Blobs, load_text};
use crate::{BlobRef, Digest256, Payload, SessionId};

/// Maximum texts that are fetched at the same time.
const MAX_FETCHES: usize = 16;

/// Default size of a cache, in bytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Texts by their digests.
#[derive(Debug, Default)]
pub struct Texts(HashMap<Digest256, Arc<String>>);

impl Texts {
    /// None when the text was not fetched.
    pub(super) fn get<'a>(&'a self, payload: &'a Payload) -> Option<&'a str> {
        match payload {
            Payload::Inline(text) => Some(text),
            Payload::Stored(blob) => self.blob(blob).map(|text| text.as_str()),
        }
    }

    pub(super) fn blob(&self, blob: &BlobRef) -> Option<&Arc<String>> {
        self.0.get(&blob.sha256)
    }
}

/// The texts that a process fetched last. A text never changes, so the cache needs no invalidation.
#[derive(Debug)]
pub struct TextCache {
    cached: Mutex<Cached>,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Cached {
    /// The least recently fetched first.
    texts: VecDeque<(Digest256, Arc<String>)>,
    bytes: usize,
}

impl Default for TextCache {
    fn default() -> Self {
        Self::of_size(CACHE_BYTES)
    }
}

impl TextCache {
    /// A cache of at most this size.
    pub fn of_size(max_bytes: usize) -> Self {
        Self { cached: Mutex::default(), max_bytes }
    }

    /// Fetches texts, several at a time, those that are not in the cache from `blobs`.
    pub async fn fetch(
        &self,
        blobs: &dyn Blobs,
        session: &SessionId,
        needed: impl Iterator<Item = &BlobRef>,
    ) -> Result<Texts, BlobError> {
        let mut texts = HashMap::new();
        let mut missing: HashMap<Digest256, BlobRef> = HashMap::new();
        for blob in needed {
            match self.get(&blob.sha256) {
                Some(text) => drop(texts.insert(blob.sha256.clone(), text)),
                None => drop(missing.insert(blob.sha256.clone(), blob.clone())),
            }
        }
        let fetches = missing.into_values().map(|blob| async move {
            let digest = blob.sha256.clone();
            Ok::<_, BlobError>((digest, load_text(blobs, session, &Payload::Stored(blob)).await?))
        });
        let fetched: Vec<(Digest256, String)> =
            futures_util::stream::iter(fetches).buffer_unordered(MAX_FETCHES).try_collect().await?;
        for (digest, text) in fetched {
            let text = Arc::new(text);
            self.insert(digest.clone(), Arc::clone(&text));
            texts.insert(digest, text);
        }
        Ok(Texts(texts))
    }

    fn get(&self, digest: &Digest256) -> Option<Arc<String>> {
        let mut cached = self.cached();
        let index = cached.texts.iter().position(|(known, _)| known == digest)?;
        let found = cached.texts.remove(index)?;
        let text = Arc::clone(&found.1);
        cached.texts.push_back(found);
        Some(text)
    }

    fn insert(&self, digest: Digest256, text: Arc<String>) {
        let mut cached = self.cached();
        cached.bytes += text.len();
        cached.texts.push_back((digest, text));
        while cached.bytes > self.max_bytes
            && let Some((_, dropped)) = cached.texts.pop_front()
        {
            cached.bytes -= dropped.len();
        }
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        // A panic cannot leave an entry half written, so a poisoned lock is usable.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
