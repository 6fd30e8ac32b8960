//! The port for identifiers.

use crate::{AccessToken, PlanId, SessionId, SpanId, TokenId, TraceId};

/// Creates identifiers.
///
/// # Contract
/// - **Callers may rely on** ids being unique across processes and machines without coordination, and on tokens being
///   unguessable.
/// - **An implementation must** take its randomness from a cryptographic source.
/// - **After a crash** an id that was not written to the log was never used. An id that has to survive a retry is therefore
///   recorded, or derived from what is recorded.
pub trait Ids: Send + Sync {
    /// A new session id, which sorts after those that this process created before.
    fn session(&self) -> SessionId;

    /// A new trace id, whose first eight hex digits are the epoch second.
    fn trace(&self) -> TraceId;

    fn span(&self) -> SpanId;

    fn plan(&self) -> PlanId;

    /// A new access token, and the id by which it is listed and revoked.
    fn token(&self) -> (TokenId, AccessToken);

    /// A unique name for something that is not stored, such as an HTTP request.
    fn unique(&self) -> String;
}
