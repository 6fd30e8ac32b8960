//! Checkpoints: the difference between workspace and base commit, stored outside the sandbox.

use std::collections::BTreeMap;

use domain::ports::Blobs;
use domain::{
    Checkpoint, CheckpointChange, Digest256, EventBody, FileChangeKind, FileChanged, TurnNumber, WorkspaceCheckpoint,
};

use super::{Workspace, WorkspaceError};
use crate::context::Context;

/// Stores the difference between workspace and base commit as a checkpoint, unless its digest is `unless`. Returns the events
/// that record it, for the caller to append in the same batch as the result that the checkpoint belongs to.
pub(crate) async fn checkpoint(
    context: &Context,
    blobs: &dyn Blobs,
    workspace: &Workspace,
    turn: TurnNumber,
    unless: Option<Digest256>,
) -> Result<Vec<EventBody>, WorkspaceError> {
    let Some(content) = workspace.collect(context, unless).await? else { return Ok(Vec::new()) };
    let session = context.log.session_id().clone();
    let previous = match &context.log.state().checkpoint {
        Some(latest) => Checkpoint::fetch(blobs, &session, &latest.blob.sha256).await?.content.changes,
        None => Vec::new(),
    };
    let stored = Checkpoint::store(blobs, &session, content).await?;
    let mut bodies: Vec<EventBody> = changed_files(&previous, &stored.content.changes).map(EventBody::from).collect();
    bodies.push(
        WorkspaceCheckpoint {
            turn,
            blob: stored.blob,
            digest: stored.content.digest.clone(),
            files: u32::try_from(stored.content.changes.len()).unwrap_or(u32::MAX),
        }
        .into(),
    );
    Ok(bodies)
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
                Some(file) => (FileChangeKind::Written, (file.content_base64.len() / 4 * 3) as u64),
                None => (FileChangeKind::Deleted, 0),
            };
            FileChanged { path: change.path.clone(), change: kind, bytes }
        });
    restored.into_iter().chain(written_or_deleted)
}
