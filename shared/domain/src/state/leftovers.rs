//! Sandboxes that no step uses any more, and that are still to be terminated.

use serde::{Deserialize, Serialize};

use crate::{SandboxId, SandboxTerminating};

use super::{SandboxStage, SandboxState, SessionState};

/// Maximum leftovers that are remembered. A sandbox that is forgotten here ends with its lifetime.
const MAX_LEFTOVERS: usize = 16;

/// A sandbox that its run has left: the run is over, or the sandbox is lost. A lost one may live on, unreachable or with a
/// toolbox of another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    pub id: SandboxId,
    /// Whether `sandbox.terminating` was written for it.
    pub is_terminating: bool,
}

impl SessionState {
    /// The leftover with this id, as long as it is not terminated.
    pub fn leftover(&self, id: &SandboxId) -> Option<&Leftover> {
        self.leftovers.iter().find(|leftover| leftover.id == *id)
    }

    pub(super) fn sandbox_named(&mut self, id: &SandboxId) -> Option<&mut SandboxState> {
        self.sandbox.as_mut().filter(|sandbox| sandbox.id == *id)
    }

    /// Turns the session's sandbox into a leftover.
    pub(super) fn leave_sandbox(&mut self) {
        let Some(SandboxState { id, stage, .. }) = self.sandbox.take() else { return };
        let is_terminating = match stage {
            SandboxStage::Terminating { .. } => true,
            SandboxStage::Preparing | SandboxStage::Ready => false,
        };
        self.leftovers.push_back(Leftover { id, is_terminating });
        if self.leftovers.len() > MAX_LEFTOVERS {
            self.leftovers.pop_front();
        }
    }

    pub(super) fn sandbox_terminating(&mut self, terminating: &SandboxTerminating) {
        let SandboxTerminating { sandbox: id, reason } = terminating;
        if let Some(sandbox) = self.sandbox_named(id) {
            sandbox.stage = SandboxStage::Terminating { reason: reason.clone() };
        }
        if let Some(leftover) = self.leftovers.iter_mut().find(|leftover| leftover.id == *id) {
            leftover.is_terminating = true;
        }
    }

    pub(super) fn sandbox_terminated(&mut self, id: &SandboxId) {
        self.sandbox.take_if(|sandbox| sandbox.id == *id);
        self.leftovers.retain(|leftover| leftover.id != *id);
    }
}
