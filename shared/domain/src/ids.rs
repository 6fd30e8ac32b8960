//! Identifiers. Each is a newtype, so that a session id cannot be passed for a sandbox id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::shorten;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {kind}: {expected}")]
pub struct InvalidId {
    kind: &'static str,
    value: String,
    expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    let value = shorten(text, 60).into_owned();
                    Err(InvalidId { kind: $kind, value, expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

fn is_ulid(text: &str) -> bool {
    text.len() == 26 && text.parse::<ulid::Ulid>().is_ok() && text.bytes().all(|byte| !byte.is_ascii_lowercase())
}

fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.starts_with('.')
}

fn is_visible(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && text.bytes().any(|byte| byte != b'0')
}

text_id!(
    /// Names a session: a ULID, so that sessions sort by the time of their creation.
    SessionId, "session id", "26 characters of Crockford's base 32 (a ULID)", is_ulid
);
text_id!(
    /// Names a sandbox, as its provider calls it.
    SandboxId, "sandbox id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// Names one command in a sandbox. The same id is never run twice.
    ExecId, "exec id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// Names one tool call, as the model called it (`toolu_...`).
    CallId, "tool call id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// Who owns a session. On one machine without tokens everything belongs to `local`.
    Principal, "principal", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// Names an access token, which itself is known only to whom it was made for.
    TokenId, "token id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// Names a request that may be made twice (`Idempotency-Key`), within what its owner asks for.
    IdempotencyKey, "idempotency key", "1 to 255 visible ASCII characters", is_visible
);
text_id!(
    /// Names a plan, so that an approval can say which plan it saw.
    PlanId, "plan id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// A W3C trace id whose first eight digits are the epoch second of its making, as X-Ray wants it.
    TraceId, "trace id", "32 lower-case hex digits, not all zero", |text| is_hex(text, 32)
);
text_id!(
    /// A W3C span id.
    SpanId, "span id", "16 lower-case hex digits, not all zero", |text| is_hex(text, 16)
);
text_id!(
    /// A git commit by its full object name.
    CommitId, "commit id", "40 or 64 lower-case hex digits", |text| is_hex(text, 40) || is_hex(text, 64)
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

number_id!(
    /// The place of an event in its session's log: 1 is the first, there are no gaps. 0 stands for "before the first".
    Seq, u64
);
number_id!(
    /// Counts the runs of a session, from 1.
    RunNumber, u32
);
number_id!(
    /// Counts the replies of the model in a session's main conversation, from 1, across runs.
    TurnNumber, u32
);
number_id!(
    /// Counts the tries at one thing (a step, a turn), from 1.
    Attempt, u32
);

/// Names one execution of the workflow: `{sessionId}-{run}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionName {
    /// The session that runs.
    pub session: SessionId,
    /// Which of its runs.
    pub run: RunNumber,
}

impl fmt::Display for ExecutionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.session, self.run)
    }
}

impl FromStr for ExecutionName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId {
            kind: "execution name",
            value: shorten(text, 60).into_owned(),
            expected: "a session id, '-' and the number of a run",
        };
        let (session, run) = text.rsplit_once('-').ok_or_else(invalid)?;
        Ok(Self { session: session.parse()?, run: RunNumber(run.parse().map_err(|_| invalid())?) })
    }
}
