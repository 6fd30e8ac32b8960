//! Ports that keep everything in memory, for laws that need many logs.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{AppendError, Blobs, EventLog, SessionSummary, Sessions, SnapshotRecord};
use domain::{
    BlobRef, Dependency, Digest256, Event, IdempotencyKey, KeyBinding, Principal, RunNumber, Seq, Session, SessionId,
    TaskToken, Unavailable,
};

/// Blobs whose contents can be damaged.
#[derive(Default)]
pub(crate) struct MemoryBlobs(pub(crate) Mutex<HashMap<Digest256, Vec<u8>>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, _session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable> {
        let sha256 = Digest256::of(content);
        self.0.lock().unwrap().insert(sha256.clone(), content.to_vec());
        Ok(BlobRef { sha256, bytes: content.len() as u64 })
    }

    async fn get(&self, _session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, Unavailable> {
        let found = self.0.lock().unwrap().get(digest).cloned();
        found.ok_or_else(|| Unavailable::new(Dependency::Blobs, "it is gone"))
    }

    async fn delete(&self, _session: &SessionId, digest: &Digest256) -> Result<(), Unavailable> {
        self.0.lock().unwrap().remove(digest);
        Ok(())
    }
}

/// The log of one session, and which events were read of it.
#[derive(Default)]
pub(crate) struct MemoryLog {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) read: Mutex<Vec<Seq>>,
}

impl MemoryLog {
    /// Forgets the events that were read, and returns them.
    pub(crate) fn take_read(&self) -> Vec<Seq> {
        std::mem::take(&mut self.read.lock().unwrap())
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, _session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        let mut events = self.events.lock().unwrap();
        if events.len() as u64 != after.0 {
            return Err(AppendError::Conflict);
        }
        events.extend_from_slice(batch);
        Ok(())
    }

    async fn read(&self, _session: &SessionId, after: Seq, limit: usize) -> Result<Vec<Event>, Unavailable> {
        let events = self.events.lock().unwrap();
        let found: Vec<Event> = events.iter().filter(|event| event.seq > after).take(limit).cloned().collect();
        self.read.lock().unwrap().extend(found.iter().map(|event| event.seq));
        Ok(found)
    }

    async fn wait(&self, _session: &SessionId, _after: Seq, _timeout: Duration) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// The record of one session: nothing but where its snapshot is.
#[derive(Default)]
pub(crate) struct MemoryRecords(pub(crate) Mutex<Option<SnapshotRecord>>);

fn no_such_record() -> Unavailable {
    Unavailable::new(Dependency::Store, "only where the snapshot is, is stored")
}

#[async_trait]
impl Sessions for MemoryRecords {
    async fn snapshot(&self, _id: &SessionId) -> Result<Option<SnapshotRecord>, Unavailable> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn put_snapshot(&self, _id: &SessionId, snapshot: &SnapshotRecord) -> Result<bool, Unavailable> {
        let mut stored = self.0.lock().unwrap();
        let is_later = stored.as_ref().is_none_or(|stored| stored.tail <= snapshot.tail);
        if is_later {
            *stored = Some(snapshot.clone());
        }
        Ok(is_later)
    }

    async fn create(&self, _session: &Session, _summary: &SessionSummary) -> Result<bool, Unavailable> {
        Err(no_such_record())
    }

    async fn get(&self, _id: &SessionId) -> Result<Option<Session>, Unavailable> {
        Err(no_such_record())
    }

    async fn summary(&self, _id: &SessionId) -> Result<Option<SessionSummary>, Unavailable> {
        Err(no_such_record())
    }

    async fn update(&self, _summary: &SessionSummary) -> Result<(), Unavailable> {
        Err(no_such_record())
    }

    async fn list(
        &self,
        _owner: Option<&Principal>,
        _before: Option<&SessionId>,
        _limit: usize,
    ) -> Result<Vec<SessionSummary>, Unavailable> {
        Err(no_such_record())
    }

    async fn bind_key(
        &self,
        _owner: &Principal,
        _key: &IdempotencyKey,
        _binding: &KeyBinding,
    ) -> Result<KeyBinding, Unavailable> {
        Err(no_such_record())
    }

    async fn put_token(&self, _id: &SessionId, _run: RunNumber, _token: &TaskToken) -> Result<(), Unavailable> {
        Err(no_such_record())
    }

    async fn token(&self, _id: &SessionId, _run: RunNumber) -> Result<Option<TaskToken>, Unavailable> {
        Err(no_such_record())
    }

    async fn clear_token(&self, _id: &SessionId, _run: RunNumber) -> Result<(), Unavailable> {
        Err(no_such_record())
    }
}
