//! Whether the change can still be published on its base.

use std::collections::HashSet;

use domain::state::{Base, RunState};
use domain::{Changeset, CommitId, WorkspacePath};

use super::{OpenPr, is_own_branch};
use crate::context::Context;
use crate::forge_stop::ForgeStop;

pub(super) enum BaseCheck {
    Fits,
    /// The base branch has moved to this commit and changed the same files.
    Conflicts(CommitId),
}

impl OpenPr {
    /// Compares the base branch's head with the commit that the change is based on.
    pub(super) async fn check_base(
        &self,
        context: &Context,
        base: &Base,
        changes: &Changeset,
        run: &RunState,
    ) -> Result<BaseCheck, ForgeStop> {
        // A publication that has started ends on the base it started with: a retry makes the same commit.
        if run.publishing.is_some() {
            return Ok(BaseCheck::Fits);
        }
        let head = self.forge.branch_head(&base.repository, &base.branch);
        let head = context.in_span("forge branch_head", head).await?;
        match (&base.commit, head) {
            // On a follow-up the base is the session's own branch. Commits that others pushed there have to be built upon,
            // whichever files they change.
            (Some(from), Some(to)) if *from != to && is_own_branch(context, base) => Ok(BaseCheck::Conflicts(to)),
            (Some(from), Some(to)) if *from != to => {
                let changed = self.forge.changed_paths(&base.repository, from, &to);
                let changed = context.in_span("forge changed_paths", changed).await?;
                Ok(if overlaps(changes, &changed) { BaseCheck::Conflicts(to) } else { BaseCheck::Fits })
            }
            // The repository was empty and no longer is.
            (None, Some(to)) => Ok(BaseCheck::Conflicts(to)),
            (Some(_), Some(_) | None) | (None, None) => Ok(BaseCheck::Fits),
        }
    }
}

/// Whether both sides changed the same path, or one changed a file where the other has a directory.
fn overlaps(changes: &Changeset, changed: &[WorkspacePath]) -> bool {
    let ours: HashSet<&str> = changes.iter().map(|(path, _)| path.as_str()).collect();
    let theirs: HashSet<&str> = changed.iter().map(WorkspacePath::as_str).collect();
    let is_parent = |paths: &HashSet<&str>, others: &[&WorkspacePath]| {
        others.iter().any(|path| path.directories().into_iter().any(|directory| paths.contains(directory)))
    };
    let our_paths: Vec<&WorkspacePath> = changes.iter().map(|(path, _)| path).collect();
    let their_paths: Vec<&WorkspacePath> = changed.iter().collect();
    !ours.is_disjoint(&theirs) || is_parent(&ours, &their_paths) || is_parent(&theirs, &our_paths)
}
