//! Ports that keep everything in memory, for laws that need many logs.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{
    AppendError, BlobError, Blobs, EventLog, Page, ReadError, SessionSummary, Sessions, SnapshotRecord,
};
use domain::{
    BlobRef, Dependency, Digest256, Event, IdempotencyKey, KeyBinding, OutsideKey, Principal, RunNumber, Seq, Session,
    SessionId, TaskToken, Unavailable,
};
use jiff::Timestamp;

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

    async fn get(&self, _session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, BlobError> {
        self.0.lock().unwrap().get(digest).cloned().ok_or_else(|| BlobError::Gone(digest.clone()))
    }

    async fn delete(&self, _session: &SessionId, digest: &Digest256) -> Result<(), Unavailable> {
        self.0.lock().unwrap().remove(digest);
        Ok(())
    }

    async fn delete_session(&self, _session: &SessionId) -> Result<(), Unavailable> {
        self.0.lock().unwrap().clear();
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

    async fn read(&self, _session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        let events = self.events.lock().unwrap();
        let found: Vec<Event> = events.iter().filter(|event| event.seq > after).take(limit).cloned().collect();
        self.read.lock().unwrap().extend(found.iter().map(|event| event.seq));
        let next = found.last().map(|last| last.seq).filter(|last| last.0 < events.len() as u64);
        Ok(Page { events: found, next })
    }

    async fn wait(&self, _session: &SessionId, _after: Seq, _timeout: Duration) -> Result<bool, Unavailable> {
        Ok(true)
    }

    async fn delete(&self, _session: &SessionId) -> Result<(), Unavailable> {
        self.events.lock().unwrap().clear();
        Ok(())
    }
}

/// The record of one session: nothing but where its snapshot is.
#[derive(Default)]
pub(crate) struct MemoryRecords(pub(crate) Mutex<Option<SnapshotRecord>>);

/// The methods of records that are not kept.
macro_rules! not_kept {
    ($($name:ident($($type:ty),*) -> $answer:ty;)*) => {
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

            $(async fn $name(&self, $(_: $type),*) -> Result<$answer, Unavailable> {
                Err(Unavailable::new(Dependency::Store, "only where the snapshot is, is stored"))
            })*
        }
    };
}

not_kept! {
    create(&Session, &SessionSummary) -> bool;
    get(&SessionId) -> Option<Session>;
    summary(&SessionId) -> Option<SessionSummary>;
    update(&SessionSummary) -> ();
    list(Option<&Principal>, Option<&SessionId>, usize) -> Vec<SessionSummary>;
    unfinished(Timestamp, Option<&SessionId>, usize) -> Vec<SessionId>;
    bind_key(&Principal, &IdempotencyKey, &KeyBinding) -> KeyBinding;
    put_token(&SessionId, RunNumber, Seq, &TaskToken) -> bool;
    token(&SessionId, RunNumber) -> Option<TaskToken>;
    clear_token(&SessionId, RunNumber, &TaskToken) -> ();
    bind_outside(&OutsideKey, &SessionId) -> SessionId;
    session_of(&OutsideKey) -> Option<SessionId>;
    begin_deletion(&SessionId, &Principal) -> bool;
    deletions(usize) -> Vec<SessionId>;
    end_deletion(&SessionId) -> ();
    is_deleted(&SessionId) -> bool;
}
