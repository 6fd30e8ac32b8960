//! `GET /sessions` and `GET /sessions/{id}`.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use domain::SessionId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::own_journal;
use crate::Api;
use crate::access::Caller;
use crate::body::{Id, Query};
use crate::error::{ApiError, Code};
use crate::view::{SessionView, SummaryView};

/// The most sessions on a page.
const MAX_PAGE_ITEMS: usize = 100;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The most sessions on the page. 20 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionPage {
    /// The sessions, newest first.
    sessions: Vec<SummaryView>,
    /// What leads to the next page; none on the last one.
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
        return Err(ApiError::invalid(format!("limit has to be 1 to {MAX_PAGE_ITEMS}")));
    }
    let before = query.cursor.map(|cursor| cursor.parse::<SessionId>()).transpose();
    let before = before.map_err(|_| ApiError::invalid("cursor is not one that a page gave"))?;
    let mut found = api.services.sessions.list(Some(&caller.principal), before.as_ref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(SessionPage { sessions: found.into_iter().map(SummaryView::from).collect(), next_cursor }))
}

/// Shows a session: how it stands, its plan, what it has cost, its pull request.
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
    let log = own_journal(&api, &caller, &session).await?;
    let view = SessionView::of(log.state());
    view.map(Json).ok_or_else(|| ApiError::new(Code::Internal, "the session's log does not begin with it"))
}
