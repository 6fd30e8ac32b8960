//! The port for identifiers.

use crate::{AccessToken, PlanId, SessionId, SpanId, TokenId, TraceId};

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

    /// A new access token, and the name it goes by.
    fn token(&self) -> (TokenId, AccessToken);

    /// A name for something that happens once, such as a request.
    fn unique(&self) -> String;
}
