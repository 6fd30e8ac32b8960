//! `/tokens`: access tokens of principals. Only for principals that may hand them out.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use domain::commands::{self, NewToken};
use domain::{Account, MicroDollars, Principal, RepositoryPattern, Role, TokenId};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::access::Caller;
use crate::body::{Id, JsonBody};
use crate::error::{ApiError, Code};
use crate::view::TokenView;

/// A token to be made. What is said about the principal counts for all its tokens; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct TokenRequest {
    /// Whose it will be: 1 to 128 letters, digits, `-`, `_` or `.`.
    #[schema(example = "alice")]
    principal: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 200, example = "laptop")]
    label: String,
    /// For how many days it counts; for ever when left out.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    expires_in_days: Option<u32>,
    /// Whether the principal may hand out tokens itself.
    admin: Option<bool>,
    /// The repositories it may work on: addresses, or with `/*` at the end all below one. An empty list: any.
    #[schema(example = json!(["https://github.com/owner/*"]))]
    repositories: Option<Vec<String>>,
    /// The most sessions at work at a time; further ones are queued.
    #[schema(minimum = 1, maximum = 1000, example = 2)]
    max_concurrent_sessions: Option<u32>,
    /// The most dollars that may be spent in a day (UTC).
    #[schema(minimum = 0, maximum = 1000000, example = 20.0)]
    max_daily_cost_usd: Option<f64>,
}

/// A token that was made: the only time that it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTokenView {
    /// The token, for `Authorization: Bearer`.
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

/// Tokens and the principals they belong to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    /// The tokens, oldest first.
    tokens: Vec<TokenView>,
    /// The principals.
    principals: Vec<PrincipalView>,
}

/// A principal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrincipalView {
    /// Its name.
    principal: String,
    /// Whether it may hand out tokens.
    admin: bool,
    /// The repositories it may work on; empty: any.
    repositories: Vec<String>,
    /// The most sessions at work at a time.
    max_concurrent_sessions: Option<u32>,
    /// The most dollars that may be spent in a day.
    max_daily_cost_usd: Option<f64>,
    /// Sessions at work.
    active: usize,
    /// Sessions in line.
    queued: usize,
    /// Dollars of today that are spent, or set aside for sessions that are not over.
    committed_today_usd: f64,
}

impl PrincipalView {
    fn of(account: &Account, now: Timestamp) -> Self {
        let quota = &account.quota;
        Self {
            principal: account.principal.to_string(),
            admin: account.role == Role::Admin,
            repositories: quota.repositories.iter().map(ToString::to_string).collect(),
            max_concurrent_sessions: quota.max_concurrent_sessions,
            max_daily_cost_usd: quota.max_daily_cost.map(MicroDollars::as_dollars),
            active: account.queue.active().len(),
            queued: account.queue.queued().len(),
            committed_today_usd: account.queue.committed(now).as_dollars(),
        }
    }
}

/// Lists tokens and principals.
#[utoipa::path(
    get, path = "/tokens", tag = "tokens",
    responses(
        (status = 200, body = TokenList),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<TokenList>, ApiError> {
    only_admins(&caller)?;
    let now = api.services.clock.now();
    let tokens = api.services.accounts.tokens().await?.into_iter().map(TokenView::from).collect();
    let principals = api.services.accounts.accounts().await?;
    let principals = principals.iter().map(|account| PrincipalView::of(account, now)).collect();
    Ok(Json(TokenList { tokens, principals }))
}

/// Makes a token. It is in this answer and never shown again.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", request_body = TokenRequest,
    responses(
        (status = 201, body = NewTokenView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<TokenRequest>,
) -> Result<(StatusCode, Json<NewTokenView>), ApiError> {
    only_admins(&caller)?;
    let invalid = |name: &str, error: &dyn std::fmt::Display| ApiError::invalid(format!("{name}: {error}"));
    let principal: Principal = body.principal.parse().map_err(|error| invalid("principal", &error))?;
    let repositories: Option<Vec<RepositoryPattern>> = body
        .repositories
        .map(|patterns| patterns.iter().map(|pattern| pattern.parse()).collect())
        .transpose()
        .map_err(|error| invalid("repositories", &error))?;
    let max_daily_cost = body.max_daily_cost_usd.map(MicroDollars::from_dollars).transpose();
    let new = NewToken {
        principal,
        label: body.label,
        days: body.expires_in_days,
        role: body.admin.map(|admin| if admin { Role::Admin } else { Role::Member }),
        repositories,
        max_concurrent_sessions: body.max_concurrent_sessions,
        max_daily_cost: max_daily_cost.map_err(|error| invalid("maxDailyCostUsd", &error))?,
    };
    let (token, record) = commands::create_token(&api.services, new).await?;
    let token = token.secret().expose_secret().to_owned();
    Ok((StatusCode::CREATED, Json(NewTokenView { token, view: record.into() })))
}

/// Revokes a token: it counts no more, at once.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id")),
    responses(
        (status = 204, description = "It counts no more"),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(token): Id<TokenId>,
) -> Result<StatusCode, ApiError> {
    only_admins(&caller)?;
    commands::revoke_token(&api.services, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn only_admins(caller: &Caller) -> Result<(), ApiError> {
    match caller.role {
        Role::Admin => Ok(()),
        Role::Member => {
            Err(ApiError::new(Code::Forbidden, format!("{} may not hand out or see tokens", caller.principal)))
        }
    }
}
