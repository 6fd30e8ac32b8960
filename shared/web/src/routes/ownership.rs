//! Finds sessions of the caller. A session of another principal is reported as not found, so that ids cannot be probed.

use domain::{Session, SessionId, SessionLog};

use crate::Api;
use crate::access::Caller;
use crate::error::{ApiError, Code};

/// The record of a session of the caller's.
pub(super) async fn owned_session(api: &Api, caller: &Caller, session: &SessionId) -> Result<Session, ApiError> {
    let found = api.services.sessions.get(session).await?;
    found
        .filter(|found| found.owner == caller.principal)
        .ok_or_else(|| ApiError::new(Code::NotFound, format!("there is no session {session}")))
}

/// The log of a session of the caller's, read to its end.
pub(super) async fn owned_log(api: &Api, caller: &Caller, session: &SessionId) -> Result<SessionLog, ApiError> {
    owned_session(api, caller, session).await?;
    Ok(api.services.logs().open(session).await?)
}
