//! The port for identifiers.

use crate::{PlanId, SessionId, SpanId, TraceId};

/// Makes identifiers that nobody can guess.
pub trait Ids: Send + Sync {
    /// A new session id, later in order than those made before it.
    fn session(&self) -> SessionId;

    /// A new trace id that begins with the epoch second, in hex.
    fn trace(&self) -> TraceId;

    /// A new span id.
    fn span(&self) -> SpanId;

    /// A new plan id.
    fn plan(&self) -> PlanId;
}
