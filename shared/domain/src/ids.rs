//! Identifiers. Each is a newtype, so that a session id cannot be passed for a sandbox id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::shorten;

/// A text that is not an identifier of the expected kind.
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
    /// A session: a ULID in upper case, so that ids sort by the time of creation.
    SessionId, "session id", "26 characters of Crockford's base 32 (a ULID)", is_ulid
);
text_id!(
    /// A sandbox, as its provider names it.
    SandboxId, "sandbox id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// One command in a sandbox. A command with the same id is never started twice.
    ExecId, "exec id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// One tool call, as the model's service names it (`toolu_…`).
    CallId, "tool call id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// The owner of sessions. On one machine without access tokens everything belongs to `local`.
    Principal, "principal", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// An access token. The id may be shown; the token itself is known only to its holder.
    TokenId, "token id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// A request that may be sent twice (the header `Idempotency-Key`), unique among the requests of its owner.
    IdempotencyKey, "idempotency key", "1 to 255 visible ASCII characters", is_visible
);
text_id!(
    /// A plan, so that an approval can name the plan that the person saw.
    PlanId, "plan id", "1 to 128 letters, digits, '-', '_' or '.'", is_name
);
text_id!(
    /// A trace id of W3C Trace Context. Its first eight digits are the epoch second of its creation, as X-Ray requires.
    TraceId, "trace id", "32 lower-case hex digits, not all zero", |text| is_hex(text, 32)
);
text_id!(
    /// A span id of W3C Trace Context.
    SpanId, "span id", "16 lower-case hex digits, not all zero", |text| is_hex(text, 16)
);
text_id!(
    /// A git commit, by its full object name (SHA-1 or SHA-256).
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
    /// Position of an event in its session's log, from 1, without a gap. 0 means "before the first event".
    Seq, u64
);
number_id!(
    /// Counts the runs of a session, from 1.
    RunNumber, u32
);
number_id!(
    /// Counts the turns of one conversation of a session, from 1, across runs.
    TurnNumber, u32
);
number_id!(
    /// Counts the attempts at one thing (a step of a run, a turn), from 1.
    Attempt, u32
);

/// The name of one execution of the workflow, and of the run that it is of: `{sessionId}-{run}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecutionName {
    pub session: SessionId,
    pub run: RunNumber,
}

impl From<ExecutionName> for String {
    fn from(name: ExecutionName) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for ExecutionName {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
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
