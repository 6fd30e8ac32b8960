//! Why the preparation of a workspace stops.

use domain::ports::{ForgeError, SandboxError};
use domain::{SessionLogError, StepError, Terminal};

use crate::forge_stop::ForgeStop;
use crate::workspace::WorkspaceError;

/// Neither a pause of the forge nor a lost sandbox is an error of the step.
#[derive(Debug)]
pub(super) enum Stop {
    Forge(ForgeStop),
    Workspace(WorkspaceError),
}

impl From<ForgeError> for Stop {
    fn from(error: ForgeError) -> Self {
        Self::Forge(error.into())
    }
}

impl From<WorkspaceError> for Stop {
    fn from(error: WorkspaceError) -> Self {
        Self::Workspace(error)
    }
}

impl From<SandboxError> for Stop {
    fn from(error: SandboxError) -> Self {
        Self::Workspace(error.into())
    }
}

impl From<StepError> for Stop {
    fn from(error: StepError) -> Self {
        Self::Workspace(error.into())
    }
}

impl From<Terminal> for Stop {
    fn from(error: Terminal) -> Self {
        StepError::from(error).into()
    }
}

impl From<SessionLogError> for Stop {
    fn from(error: SessionLogError) -> Self {
        StepError::from(error).into()
    }
}
