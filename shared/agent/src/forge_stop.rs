//! Why work that calls the forge stops.

use domain::ports::ForgeError;
use domain::{ErrorCode, SessionLogError, StepError, StepOutput, Terminal, Unavailable, Verdict};

/// Why a step that calls the forge does not continue.
///
/// There is no conversion to [`StepError`]: a pause would become an error whose retries run out.
#[derive(Debug)]
pub(crate) enum ForgeStop {
    /// The forge asks for a pause.
    Pause {
        seconds: u64,
    },
    Failed(StepError),
}

impl ForgeStop {
    /// The step's answer: the verdict `wait`, and `then` after it, or the error.
    pub(crate) fn answer(self, then: Verdict) -> Result<StepOutput, StepError> {
        match self {
            Self::Pause { seconds } => Ok(StepOutput::wait(seconds, then)),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<ForgeError> for ForgeStop {
    fn from(error: ForgeError) -> Self {
        match error {
            ForgeError::Wait { seconds } => Self::Pause { seconds },
            ForgeError::BranchMoved { branch, .. } => {
                let message = format!("branch {branch} was moved by somebody else");
                Self::Failed(StepError::terminal(ErrorCode::PublishConflict, message))
            }
            ForgeError::Unavailable(unavailable) => Self::Failed(unavailable.into()),
            ForgeError::Terminal(terminal) => Self::Failed(terminal.into()),
        }
    }
}

macro_rules! failures {
    ($($error:ty),*) => {
        $(impl From<$error> for ForgeStop {
            fn from(error: $error) -> Self {
                Self::Failed(error.into())
            }
        })*
    };
}

failures!(StepError, SessionLogError, Terminal, Unavailable);
