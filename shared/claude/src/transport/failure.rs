//! A request that brought no usable answer.

use std::time::Duration;

use domain::{ErrorCode, MicroDollars, ModelError, Terminal, Usage, WindowCount};

use super::refusal::Refusal;
use super::retry::{Advice, DEFAULT_WAIT, MAX_PAUSE};

/// Why a call ended without an answer. What it cost is known to the caller alone.
pub(crate) enum Failure {
    Interrupted(String),
    Wait {
        after: Duration,
        reason: String,
    },
    /// A filter of the service withheld the reply.
    Filtered(String),
    /// Prompt and `max_tokens` together do not fit the model's window.
    WindowExceeded {
        counted: Option<WindowCount>,
        reason: String,
    },
    Terminal(Terminal),
}

/// One failed attempt, with what decides whether another follows.
pub(super) struct FailedAttempt {
    pub(super) failure: Failure,
    pub(super) advice: Advice,
    pub(super) is_retryable: bool,
}

impl Failure {
    pub(super) fn interrupted(reason: impl Into<String>) -> Self {
        Self::Interrupted(reason.into())
    }

    /// The answer cannot be one of the API's. Asking again would not help; another base URL may.
    pub(super) fn not_the_api(expected: &str) -> Self {
        let message = format!("the answer is not {expected}: is the base URL that of the Claude API?");
        Self::Terminal(Terminal::new(ErrorCode::ModelUnavailable, message))
    }

    /// The port's error for a call that the service had counted `usage` of, which costs `cost`.
    pub(crate) fn into_error(self, usage: Usage, cost: MicroDollars) -> ModelError {
        match self {
            Self::Interrupted(reason) => ModelError::Interrupted { reason, usage, cost },
            Self::Filtered(reason) => ModelError::Filtered { reason, usage, cost },
            Self::WindowExceeded { counted, reason } => ModelError::WindowExceeded { counted, reason },
            Self::Wait { after, reason } => {
                // Rounded up to at least a second: a caller that waits for zero seconds would ask in a tight loop.
                let seconds = (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1);
                ModelError::Wait { seconds, reason }
            }
            Self::Terminal(terminal) => ModelError::Terminal { terminal, usage, cost },
        }
    }
}

impl FailedAttempt {
    /// Sending failed. Even if the connection was cut after the request arrived, no part of an answer was seen, so nothing is
    /// known to be billed; the vendor's own libraries retry in this case, too.
    pub(super) fn unsent(error: &reqwest::Error) -> Self {
        let reason = if error.is_connect() {
            "the Claude API could not be reached"
        } else {
            "the connection was cut before the Claude API answered"
        };
        Self { failure: Failure::interrupted(reason), advice: Advice::default(), is_retryable: true }
    }

    /// No answer within the idle time-out, which a retry would only double.
    pub(super) fn silent() -> Self {
        let failure = Failure::interrupted("the Claude API did not begin to answer in time");
        Self { failure, advice: Advice::default(), is_retryable: false }
    }

    pub(super) fn not_the_api(expected: &str) -> Self {
        Self { failure: Failure::not_the_api(expected), advice: Advice::default(), is_retryable: false }
    }

    pub(super) fn refused(refusal: Refusal, advice: Advice) -> Self {
        let is_transient = refusal.is_transient();
        let asks_for_long_pause = advice.after.is_some_and(|after| after > MAX_PAUSE);
        let failure = if !is_transient {
            refusal.into_lasting_failure()
        } else if refusal.is_for_capacity() || asks_for_long_pause {
            Failure::Wait { after: advice.after.unwrap_or(DEFAULT_WAIT), reason: refusal.message }
        } else {
            let status = refusal.status.as_u16();
            Failure::Interrupted(format!("the Claude API answered {status}: {}", refusal.message))
        };
        Self { failure, is_retryable: advice.should_retry.unwrap_or(is_transient), advice }
    }
}
