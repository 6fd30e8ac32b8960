//! The routes, one file for each thing.

mod code;
mod diff;
mod documents;
mod events;
mod front;
mod health;
mod sessions;
mod steering;
mod tokens;

use axum::Router;
use domain::{Session, SessionId, SessionLog};
use std::sync::Arc;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::access::Caller;
use crate::error::{ApiError, Code};

/// All of them.
pub(crate) fn all() -> Router<Api> {
    let (routes, document) = OpenApiRouter::with_openapi(documents::Document::openapi())
        .routes(routes!(code::code))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::show))
        .routes(routes!(events::events))
        .routes(routes!(diff::diff))
        .routes(routes!(steering::message))
        .routes(routes!(steering::approve))
        .routes(routes!(steering::reject))
        .routes(routes!(steering::extend))
        .routes(routes!(steering::cancel))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(health::health))
        .split_for_parts();
    routes.route("/", axum::routing::get(front::front)).merge(documents::documents(document))
}

/// A session of the caller's. Somebody else's does not exist.
async fn own(api: &Api, caller: &Caller, session: &SessionId) -> Result<Session, ApiError> {
    let found = api.services.sessions.get(session).await?;
    found
        .filter(|found| found.owner == caller.principal)
        .ok_or_else(|| ApiError::new(Code::NotFound, format!("there is no session {session}")))
}

/// The log of a session of the caller's, read to its end.
async fn own_journal(api: &Api, caller: &Caller, session: &SessionId) -> Result<SessionLog, ApiError> {
    own(api, caller, session).await?;
    Ok(SessionLog::open(Arc::clone(&api.services.event_log), Arc::clone(&api.services.clock), session).await?)
}
