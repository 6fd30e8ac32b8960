//! Brings the checkpoint into a fresh checkout.

use std::collections::BTreeMap;

use domain::state::Base;
use domain::{Author, Checkpoint, Conversation, EventBody, UserMessage};

use super::Prepare;
use super::stop::Stop;
use crate::context::{Context, internal};
use crate::workspace::{Workspace, checkpoint};

impl Prepare {
    /// Restores the latest checkpoint, if there is one. When the checkout has another base than the checkpoint, the change is
    /// merged into it three-way, and the model is asked to resolve the conflicts. Returns the events to append.
    pub(super) async fn restore(&self, context: &Context, workspace: &Workspace) -> Result<Vec<EventBody>, Stop> {
        let Some(latest) = context.log.state().checkpoint.clone() else { return Ok(Vec::new()) };
        let (blobs, session) = (self.blobs.as_ref(), context.log.session_id());
        let stored = Checkpoint::fetch(blobs, session, &latest.blob.sha256).await?;
        let changes = stored.changeset(blobs, session).await?;
        let base = context.log.state().base.clone().ok_or_else(|| internal("there is a checkpoint but no base"))?;
        let new_base = base.commit.clone();
        if stored.content.base == new_base {
            workspace.put_back(context, &changes).await?;
            return Ok(Vec::new());
        }
        let repository = base.repository;
        let paths: Vec<_> = changes.iter().map(|(path, _)| path.clone()).collect();
        let old_contents = match &stored.content.base {
            Some(old_base) => self.forge.contents(&repository, old_base, &paths).await?,
            None => BTreeMap::new(),
        };
        let conflicts = workspace.rebase(context, stored.content.base.as_ref(), &changes, &old_contents).await?;
        // From here on the change is a difference to the new base.
        let mut bodies = checkpoint(context, blobs, workspace, latest.turn, None).await?;
        if !conflicts.is_empty() {
            let text = conflict_message(&context.log.state().base, &conflicts);
            let message =
                UserMessage { conversation: Conversation::Main, author: Author::Conflict, text, answers: None };
            bodies.push(message.into());
        }
        Ok(bodies)
    }
}

/// The message to the model about files that hold conflict markers.
fn conflict_message(base: &Option<Base>, conflicts: &[String]) -> String {
    let branch = base.as_ref().map(|base| base.branch.as_str()).unwrap_or_default();
    format!(
        "Branch {branch} moved while you worked, and its new commits change the same code as you. The workspace is now at \
         the new head of the branch, with your change merged into it. These files contain conflict markers (<<<<<<<, \
         |||||||, =======, >>>>>>>). Resolve them so that both intentions are kept, then run the checks again:\n{}",
        conflicts.iter().map(|path| format!("- {path}")).collect::<Vec<_>>().join("\n")
    )
}
