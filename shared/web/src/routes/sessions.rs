//! `GET /sessions`, `GET /sessions/{id}` and `DELETE /sessions/{id}`.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use domain::{SessionId, commands};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ownership::owned_log;
use crate::Api;
use crate::access::Caller;
use crate::body::{Id, Query};
use crate::error::ApiError;
use crate::view::{SessionView, SummaryView};

/// Maximum sessions on a page.
const MAX_PAGE_ITEMS: usize = 100;

/// Selects a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Maximum sessions on the page. Default: 20.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page.
    cursor: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionPage {
    /// The sessions, newest first.
    sessions: Vec<SummaryView>,
    /// The cursor of the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Lists the caller's sessions, newest first.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", params(ListQuery),
    responses(
        (status = 200, body = SessionPage),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ListQuery>,
) -> Result<Json<SessionPage>, ApiError> {
    let limit = query.limit.map_or(20, |limit| limit as usize);
    if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
        return Err(ApiError::invalid(format!("limit must be from 1 to {MAX_PAGE_ITEMS}")));
    }
    let before = query.cursor.map(|cursor| cursor.parse::<SessionId>()).transpose();
    let before = before.map_err(|_| ApiError::invalid("cursor is not valid; use nextCursor of the previous page"))?;
    let mut found = api.services.sessions.list(Some(&caller.principal), before.as_ref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(SessionPage { sessions: found.into_iter().map(SummaryView::from).collect(), next_cursor }))
}

/// Shows a session: its status, plan, cost, and pull request.
#[utoipa::path(
    get, path = "/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 200, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
) -> Result<Json<SessionView>, ApiError> {
    let log = owned_log(&api, &caller, &session).await?;
    Ok(Json(SessionView::new(log.state())?))
}

/// Deletes a session that is over: its events, stored contents and record. What it published, branch and pull request, stays.
///
/// Answers 409 while a run of the session is active. The session is gone for every later request. A request that is repeated with
/// the `Idempotency-Key` that started it is refused with 409: it does not start the session again.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 204, description = "The session is deleted"),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
) -> Result<StatusCode, ApiError> {
    commands::delete(&api.services, &caller.principal, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}
