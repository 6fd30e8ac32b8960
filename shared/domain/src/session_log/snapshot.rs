//! Snapshots: what a log was folded to, stored, so that the next process reads only the tail of the log.
//!
//! A snapshot is derived from the log and can be lost. Where it is stands in the session's record ([`SnapshotRecord`]); its
//! content is a blob, and so is each part of a conversation. One that is missing, damaged, or of another version of this crate is
//! ignored, and the log is read from its beginning.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ports::{Blobs, Sessions, SnapshotRecord};
use crate::{BlobRef, Conversation, Dependency, Digest256, SessionId, SpanId, Unavailable, error_chain};

use super::folded::Folded;

/// The version of snapshots: what they mean depends on the sources of this crate.
pub const SNAPSHOT_VERSION: &str = env!("DOMAIN_SOURCES");

/// Events after the last snapshot from which on another one is stored: those of about five turns.
const MAX_TAIL_EVENTS: u64 = 100;

/// Size in bytes of the conversation after the last snapshot from which on another one is stored.
const MAX_TAIL_BYTES: usize = 256 * 1024;

/// The store of snapshots.
#[derive(Clone)]
pub(super) struct Snapshots {
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) blobs: Arc<dyn Blobs>,
}

impl Folded {
    pub(super) fn is_snapshot_due(&self) -> bool {
        let events = self.state.tail.0.saturating_sub(self.snapshot.0);
        events >= MAX_TAIL_EVENTS || self.transcripts.unstored_bytes() >= MAX_TAIL_BYTES
    }
}

impl Snapshots {
    /// The latest snapshot; none when it cannot be used.
    ///
    /// # Errors
    /// When the store of records cannot be reached. The log, which would be read instead, is no nearer.
    pub(super) async fn read(&self, session: &SessionId) -> Result<Option<Folded>, Unavailable> {
        let record = self.sessions.snapshot(session).await?;
        let Some(record) = record.filter(|record| record.version == SNAPSHOT_VERSION) else { return Ok(None) };
        Ok(self.content(session, &record).await)
    }

    async fn content(&self, session: &SessionId, record: &SnapshotRecord) -> Option<Folded> {
        let ignored = |reason: &str| tracing::debug!(session_id = %session, reason, "the snapshot is ignored");
        let content = match self.blobs.get(session, &record.blob).await {
            Ok(content) => content,
            Err(error) => {
                ignored(&error_chain(&error));
                return None;
            }
        };
        match serde_json::from_slice::<Folded>(&content) {
            Ok(folded) if folded.state.tail == record.tail => Some(Folded { snapshot: record.tail, ..folded }),
            Ok(_) => {
                ignored("it covers other events than its record says");
                None
            }
            Err(error) => {
                ignored(&error.to_string());
                None
            }
        }
    }

    /// Stores a snapshot in place of the one before, whose blobs are deleted. `id` makes its parts unlike every other blob.
    ///
    /// The blobs are stored before the record that names them, and deleted after the record that named them is replaced: after a
    /// crash in between a blob is left without a reference, which is harmless.
    pub(super) async fn store(&self, session: &SessionId, folded: &mut Folded, id: &SpanId) -> Result<(), Unavailable> {
        let before = self.sessions.snapshot(session).await?;
        let stored: BTreeSet<&Digest256> = before.iter().flat_map(|record| &record.parts).collect();
        // Another process may have replaced parts that this one knows.
        let gone = folded.transcripts.parts().any(|part| !stored.contains(&part.blob.sha256));
        let mut added: Vec<Digest256> = Vec::new();
        for conversation in [Conversation::Plan, Conversation::Main] {
            let sent = folded.transcripts.of_mut(conversation).sent_mut();
            if gone && !sent.forget_parts() {
                // Nothing to do: the process that replaced them has stored a snapshot.
                return Ok(());
            }
            if let Some(content) = sent.next_part(id.as_str()) {
                let content = content.map_err(unwritable)?;
                let blob = self.blobs.put(session, &content).await?;
                added.push(blob.sha256.clone());
                sent.stored(blob);
            }
        }
        let content = serde_json::to_vec(&folded).map_err(unwritable)?;
        let BlobRef { sha256: blob, .. } = self.blobs.put(session, &content).await?;
        let parts = folded.transcripts.parts().map(|part| part.blob.sha256.clone()).collect();
        let record = SnapshotRecord { tail: folded.state.tail, version: SNAPSHOT_VERSION.to_owned(), blob, parts };
        if self.sessions.put_snapshot(session, &record).await? {
            folded.snapshot = record.tail;
            let kept: BTreeSet<&Digest256> = record.blobs().collect();
            self.delete(session, before.iter().flat_map(SnapshotRecord::blobs).filter(|blob| !kept.contains(blob)))
                .await;
        } else {
            // Somebody stored a later one.
            self.delete(session, added.iter().chain([&record.blob])).await;
        }
        Ok(())
    }

    /// A blob that cannot be deleted is left without a reference.
    async fn delete(&self, session: &SessionId, blobs: impl Iterator<Item = &Digest256>) {
        for blob in blobs {
            if let Err(error) = self.blobs.delete(session, blob).await {
                tracing::debug!(session_id = %session, error = error_chain(&error), "a blob of an earlier snapshot was not deleted");
            }
        }
    }
}

fn unwritable(error: serde_json::Error) -> Unavailable {
    Unavailable::new(Dependency::Blobs, error)
}
