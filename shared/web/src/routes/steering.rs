//! Commands to a session: message, approve, reject, extend, cancel.
//!
//! With an `Idempotency-Key` a command can be sent again without being carried out twice.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use domain::commands;
use domain::{BudgetExtended, Keep, MicroDollars, PlanId, SessionId};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ownership::{owned_log, owned_session};
use crate::Api;
use crate::access::Caller;
use crate::body::{Id, JsonBody};
use crate::error::ApiError;
use crate::idempotency::RequestKey;
use crate::view::SessionView;

type Answer = Result<(StatusCode, Json<SessionView>), ApiError>;

/// The session after a command was recorded.
async fn answer(api: &Api, caller: &Caller, session: &SessionId) -> Answer {
    let log = owned_log(api, caller, session).await?;
    Ok((StatusCode::ACCEPTED, Json(SessionView::new(log.state())?)))
}

/// A message for the agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageRequest {
    /// At most 262,144 bytes.
    #[schema(min_length = 1, max_length = 262144, example = "Also mention the flag in the README.")]
    text: String,
}

/// Sends a message to a session: it steers the work, answers a question, asks for another plan, or continues a finished session.
#[utoipa::path(
    post, path = "/sessions/{id}/messages", tag = "steering", request_body = MessageRequest,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "A command that is sent again with its key is carried out once"),
    ),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn message(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    RequestKey(key): RequestKey,
    JsonBody(body): JsonBody<MessageRequest>,
) -> Answer {
    owned_session(&api, &caller, &session).await?;
    commands::message(&api.services, &session, &body.text, key.as_ref()).await?;
    answer(&api, &caller, &session).await
}

/// An approval.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApproveRequest {
    /// The plan to approve: `plan.id` of the session.
    #[schema(example = "plan-0a1b2c3d4e")]
    plan: String,
}

/// Approves the plan that waits for approval. Answers 409 when the request names another plan than that one.
#[utoipa::path(
    post, path = "/sessions/{id}/approve", tag = "steering", request_body = ApproveRequest,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "A command that is sent again with its key is carried out once"),
    ),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn approve(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    RequestKey(key): RequestKey,
    JsonBody(body): JsonBody<ApproveRequest>,
) -> Answer {
    owned_session(&api, &caller, &session).await?;
    let plan: PlanId = body.plan.parse().map_err(|error: domain::InvalidId| ApiError::invalid(error.to_string()))?;
    commands::approve(&api.services, &session, &plan, key.as_ref()).await?;
    answer(&api, &caller, &session).await
}

/// A rejection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RejectRequest {
    /// What should be different: the agent makes another plan. Without it the run ends.
    #[schema(example = "Leave the public interface as it is.")]
    message: Option<String>,
}

/// Rejects the plan that waits for approval. With a message the agent makes another plan; without one the run ends.
#[utoipa::path(
    post, path = "/sessions/{id}/reject", tag = "steering", request_body = RejectRequest,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "A command that is sent again with its key is carried out once"),
    ),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn reject(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    RequestKey(key): RequestKey,
    JsonBody(body): JsonBody<RejectRequest>,
) -> Answer {
    owned_session(&api, &caller, &session).await?;
    commands::reject(&api.services, &session, body.message.as_deref(), key.as_ref()).await?;
    answer(&api, &caller, &session).await
}

/// What to add to a run's limits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ExtendRequest {
    /// Replies of the model to add.
    #[serde(default)]
    #[schema(maximum = 1000, example = 20)]
    turns: u32,
    /// Dollars to add.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000, example = 5.0)]
    cost_usd: f64,
    /// Minutes of work to add.
    #[serde(default)]
    #[schema(maximum = 1440, example = 30)]
    minutes: u32,
}

/// Raises the limits of the latest run. A run that waits because a limit is reached continues.
#[utoipa::path(
    post, path = "/sessions/{id}/extend", tag = "steering", request_body = ExtendRequest,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "A command that is sent again with its key is carried out once"),
    ),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn extend(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    RequestKey(key): RequestKey,
    JsonBody(body): JsonBody<ExtendRequest>,
) -> Answer {
    owned_session(&api, &caller, &session).await?;
    let cost =
        MicroDollars::from_dollars(body.cost_usd).map_err(|error| ApiError::invalid(format!("costUsd: {error}")))?;
    let more = BudgetExtended { turns: body.turns, cost, minutes: body.minutes };
    commands::extend(&api.services, &session, more, key.as_ref()).await?;
    answer(&api, &caller, &session).await
}

/// How to end a run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CancelRequest {
    /// Whether the work so far is published as a branch. Default: false.
    #[serde(default)]
    keep_branch: bool,
}

/// Cancels the latest run. A running step stops within two seconds.
#[utoipa::path(
    post, path = "/sessions/{id}/cancel", tag = "steering", request_body = CancelRequest,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "A command that is sent again with its key is carried out once"),
    ),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    RequestKey(key): RequestKey,
    JsonBody(body): JsonBody<CancelRequest>,
) -> Answer {
    owned_session(&api, &caller, &session).await?;
    let keep = if body.keep_branch { Keep::Branch } else { Keep::Nothing };
    commands::cancel(&api.services, &session, keep, key.as_ref()).await?;
    answer(&api, &caller, &session).await
}
