//! Counts the lines of a change. The toolbox is not asked: it ran beside code of the repository.

use std::time::{Duration, Instant};

use domain::{Changeset, CommitId, ErrorCode, FileChange, LineCounts, LineDiff, StepError, WorkspacePath};

use super::OpenPr;
use crate::context::Context;
use crate::forge_stop::ForgeStop;

/// Time limit for comparing all files. The lines of the remaining ones are not counted.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

impl OpenPr {
    /// The lines that a change to the commit `base` adds and deletes, without those of binary and very large files.
    pub(super) async fn count_lines(
        &self,
        context: &Context,
        repository: &str,
        base: Option<&CommitId>,
        changes: &Changeset,
    ) -> Result<LineCounts, ForgeStop> {
        let paths: Vec<WorkspacePath> = changes.iter().map(|(path, _)| path.clone()).collect();
        let mut before = match base {
            Some(commit) => {
                let contents = self.forge.contents(repository, commit, &paths);
                context.in_span("forge contents", contents).await?
            }
            None => Default::default(),
        };
        let versions: Vec<(Vec<u8>, Vec<u8>)> = changes
            .iter()
            .map(|(path, change)| {
                let after = match change {
                    FileChange::Write { content, .. } => content.clone(),
                    FileChange::Delete => Vec::new(),
                };
                (before.remove(path).unwrap_or_default(), after)
            })
            .collect();
        // Comparing large files takes long, so it must not block the async runtime.
        let counted = tokio::task::spawn_blocking(move || count(&versions)).await;
        let counted = counted.map_err(|error| StepError::terminal(ErrorCode::Internal, error.to_string()))?;
        Ok(counted)
    }
}

fn count(versions: &[(Vec<u8>, Vec<u8>)]) -> LineCounts {
    let end = Instant::now() + TOTAL_TIMEOUT;
    let mut counts = LineCounts::default();
    for (before, after) in versions {
        let now = Instant::now();
        if now >= end {
            break;
        }
        if let Ok(difference) = LineDiff::compare(before, after, end.min(now + LineDiff::TIMEOUT)) {
            counts += difference.counts();
        }
    }
    counts
}
