//! Checkpoints: the difference between workspace and base commit, stored outside the sandbox.

use std::collections::{BTreeMap, BTreeSet};

use domain::ports::Blobs;
use domain::{
    BlobRef, Checkpoint, CheckpointChange, CheckpointContent, Digest256, EventBody, FileChangeKind, FileChanged,
    FileContent, TurnNumber, WorkspaceCheckpoint, error_chain,
};

use super::{Workspace, WorkspaceError, collected};
use crate::context::Context;

/// Maximum bytes that the checkpoints of one session store. A file that does not fit any more is left out and named.
const MAX_STORED_BYTES: u64 = 1 << 30;

/// Stores the difference between workspace and base commit as a checkpoint, unless its mark is `unless`. Returns the events
/// that record it, for the caller to append in the same batch as the result that the checkpoint belongs to.
pub(crate) async fn checkpoint(
    context: &Context,
    blobs: &dyn Blobs,
    workspace: &Workspace,
    turn: TurnNumber,
    unless: Option<String>,
) -> Result<Vec<EventBody>, WorkspaceError> {
    let (session, state) = (context.log.session_id().clone(), context.log.state());
    let previous = match state.latest_change() {
        Some(blob) => Some(Checkpoint::fetch(blobs, &session, &blob.sha256).await?),
        None => None,
    };
    let stored: BTreeMap<Digest256, FileContent> = previous
        .iter()
        .flat_map(|latest| latest.content.stored())
        .map(|(digest, content)| (digest.clone(), content.clone()))
        .collect();
    let collected = workspace.collect(context, stored.keys(), unless).await?;
    if collected.unchanged {
        return Ok(Vec::new());
    }
    let used = match &previous {
        Some(latest) => (latest.content.stored_bytes + latest.blob.bytes)
            .saturating_sub(delete_superseded(context, blobs, latest).await),
        None => 0,
    };
    // The end of the log is never the same for two checkpoints.
    let id = format!("{}-{}", context.log.span(), state.tail);
    let mark = collected.mark.clone();
    let space = collected::Space { stored: &stored, left: MAX_STORED_BYTES.saturating_sub(used), id: &id };
    let judged = collected::judge(collected, &state.written, &space);
    let judged = judged.map_err(|contradiction| WorkspaceError::Toolbox(format!("collect: {contradiction}")))?;
    let new_bytes: usize = judged.new_blobs.iter().map(Vec::len).sum();
    let content = CheckpointContent {
        base: state.sandbox.as_ref().and_then(|sandbox| sandbox.base.as_ref()?.commit.clone()),
        digest: judged.digest,
        changes: judged.changes,
        skipped: judged.skipped,
        leftovers: judged.leftovers,
        stored_bytes: used + new_bytes as u64,
        superseded: Vec::new(),
    };
    let content = CheckpointContent { superseded: superseded(previous.as_ref(), &content), ..content };
    let checkpoint = Checkpoint::store(blobs, &session, content, &judged.new_blobs).await?;
    // A published change is part of the base, so files are compared with none.
    let previous =
        previous.filter(|_| state.checkpoint.is_some()).map(|latest| latest.content.changes).unwrap_or_default();
    let mut bodies: Vec<EventBody> =
        changed_files(&previous, &checkpoint.content.changes).map(EventBody::from).collect();
    bodies.push(
        WorkspaceCheckpoint {
            turn,
            blob: checkpoint.blob,
            digest: checkpoint.content.digest.clone(),
            mark: Some(mark),
            files: u32::try_from(checkpoint.content.changes.len()).unwrap_or(u32::MAX),
        }
        .into(),
    );
    Ok(bodies)
}

/// The blobs that only `previous` names.
fn superseded(previous: Option<&Checkpoint>, content: &CheckpointContent) -> Vec<BlobRef> {
    let kept: BTreeSet<&Digest256> = content.own_blobs().map(|blob| &blob.sha256).collect();
    let before: BTreeMap<&Digest256, &BlobRef> =
        previous.iter().flat_map(|latest| latest.content.own_blobs()).map(|blob| (&blob.sha256, blob)).collect();
    before.into_iter().filter(|(digest, _)| !kept.contains(digest)).map(|(_, blob)| blob.clone()).collect()
}

/// Deletes what a checkpoint that stands in the log has superseded, and answers how many bytes that were. One that cannot be
/// deleted is left without a reference, which is harmless.
async fn delete_superseded(context: &Context, blobs: &dyn Blobs, latest: &Checkpoint) -> u64 {
    let session = context.log.session_id();
    for blob in &latest.content.superseded {
        if let Err(error) = blobs.delete(session, &blob.sha256).await {
            tracing::debug!(session_id = %session, error = error_chain(&error), "a superseded content was not deleted");
        }
    }
    latest.content.superseded.iter().map(|blob| blob.bytes).sum()
}

/// The files in which two checkpoints differ.
fn changed_files<'a>(
    previous: &'a [CheckpointChange],
    current: &'a [CheckpointChange],
) -> impl Iterator<Item = FileChanged> + 'a {
    let old: BTreeMap<&str, &CheckpointChange> = previous.iter().map(|change| (change.path.as_str(), change)).collect();
    let new: BTreeMap<&str, &CheckpointChange> = current.iter().map(|change| (change.path.as_str(), change)).collect();
    let restored: Vec<FileChanged> = old
        .keys()
        .filter(|path| !new.contains_key(*path))
        .map(|path| FileChanged { path: (*path).to_owned(), change: FileChangeKind::Restored, bytes: 0 })
        .collect();
    let written_or_deleted =
        current.iter().filter(move |change| old.get(change.path.as_str()) != Some(change)).map(|change| {
            let (kind, bytes) = match &change.file {
                Some(file) => (FileChangeKind::Written, file.content.bytes()),
                None => (FileChangeKind::Deleted, 0),
            };
            FileChanged { path: change.path.clone(), change: kind, bytes }
        });
    restored.into_iter().chain(written_or_deleted)
}
