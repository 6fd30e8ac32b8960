//! What people say to a session: messages, approval, rejection, extension, cancellation.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use domain::commands;
use domain::{BudgetExtended, Keep, MicroDollars, PlanId, SessionId};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{own, own_journal};
use crate::Api;
use crate::access::Caller;
use crate::body::{Id, JsonBody};
use crate::error::{ApiError, Code};
use crate::view::SessionView;

type Answer = Result<(StatusCode, Json<SessionView>), ApiError>;

async fn answer(api: &Api, caller: &Caller, session: &SessionId) -> Answer {
    let log = own_journal(api, caller, session).await?;
    let view = SessionView::of(log.state());
    let view = view.ok_or_else(|| ApiError::new(Code::Internal, "the session's log does not begin with it"))?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// Something to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageRequest {
    /// At most 262,144 bytes.
    #[schema(min_length = 1, max_length = 262144, example = "Also mention the flag in the README.")]
    text: String,
}

/// Says something to a session: steers it, answers its question, has its plan made again, or has it go on after its end.
#[utoipa::path(
    post, path = "/sessions/{id}/messages", tag = "steering", request_body = MessageRequest,
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn message(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    JsonBody(body): JsonBody<MessageRequest>,
) -> Answer {
    own(&api, &caller, &session).await?;
    commands::message(&api.services, &session, &body.text).await?;
    answer(&api, &caller, &session).await
}

/// An approval.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApproveRequest {
    /// The plan that was seen: `plan.id` of the session.
    #[schema(example = "plan-0a1b2c3d4e")]
    plan: String,
}

/// Approves the plan that waits. It names the plan that was seen: 409 when it is another one by now.
#[utoipa::path(
    post, path = "/sessions/{id}/approve", tag = "steering", request_body = ApproveRequest,
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn approve(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    JsonBody(body): JsonBody<ApproveRequest>,
) -> Answer {
    own(&api, &caller, &session).await?;
    let plan: PlanId = body.plan.parse().map_err(|error: domain::InvalidId| ApiError::invalid(error.to_string()))?;
    commands::approve(&api.services, &session, &plan).await?;
    answer(&api, &caller, &session).await
}

/// A rejection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RejectRequest {
    /// What should be different. Without it the run ends.
    #[schema(example = "Leave the public interface as it is.")]
    message: Option<String>,
}

/// Rejects the plan that waits. With a message it is made again, without one the run ends.
#[utoipa::path(
    post, path = "/sessions/{id}/reject", tag = "steering", request_body = RejectRequest,
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn reject(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    JsonBody(body): JsonBody<RejectRequest>,
) -> Answer {
    own(&api, &caller, &session).await?;
    commands::reject(&api.services, &session, body.message.as_deref()).await?;
    answer(&api, &caller, &session).await
}

/// How much more a run may use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ExtendRequest {
    /// So many more replies of the model.
    #[serde(default)]
    #[schema(maximum = 1000, example = 20)]
    turns: u32,
    /// So many more dollars.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000, example = 5.0)]
    cost_usd: f64,
    /// So many more minutes at work.
    #[serde(default)]
    #[schema(maximum = 1440, example = 30)]
    minutes: u32,
}

/// Lets the latest run use more. One that waits for that goes on.
#[utoipa::path(
    post, path = "/sessions/{id}/extend", tag = "steering", request_body = ExtendRequest,
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn extend(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    JsonBody(body): JsonBody<ExtendRequest>,
) -> Answer {
    own(&api, &caller, &session).await?;
    let cost =
        MicroDollars::from_dollars(body.cost_usd).map_err(|error| ApiError::invalid(format!("costUsd: {error}")))?;
    let more = BudgetExtended { turns: body.turns, cost, minutes: body.minutes };
    commands::extend(&api.services, &session, more).await?;
    answer(&api, &caller, &session).await
}

/// How a run is to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CancelRequest {
    /// Publishes the work so far as a branch. False when left out.
    #[serde(default)]
    keep_branch: bool,
}

/// Ends the latest run. A step at work sees it within two seconds.
#[utoipa::path(
    post, path = "/sessions/{id}/cancel", tag = "steering", request_body = CancelRequest,
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 202, body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    JsonBody(body): JsonBody<CancelRequest>,
) -> Answer {
    own(&api, &caller, &session).await?;
    let keep = if body.keep_branch { Keep::Branch } else { Keep::Nothing };
    commands::cancel(&api.services, &session, keep).await?;
    answer(&api, &caller, &session).await
}
