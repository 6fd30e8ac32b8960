//! `/tokens`: access tokens and the quotas of their principals. For admins.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use domain::admission::Counters;
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

/// A token to create. Role and quotas belong to the principal and apply to all its tokens; those that are omitted stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct TokenRequest {
    /// The principal that the token is for: 1 to 128 letters, digits, `-`, `_` or `.`.
    #[schema(example = "alice")]
    principal: String,
    /// A note, shown in the list of tokens.
    #[serde(default)]
    #[schema(max_length = 200, example = "laptop")]
    label: String,
    /// Days until the token expires. Default: never.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    expires_in_days: Option<u32>,
    /// Whether the principal may create, list and revoke tokens.
    admin: Option<bool>,
    /// The repositories it may work on: addresses, or all below an address that ends in `/*`. An empty list allows any.
    #[schema(example = json!(["https://github.com/owner/*"]))]
    repositories: Option<Vec<String>>,
    /// Maximum sessions that run at the same time; further ones are queued.
    #[schema(minimum = 1, maximum = 1000, example = 2)]
    max_concurrent_sessions: Option<u32>,
    /// Maximum cost per day (UTC), in dollars.
    #[schema(minimum = 0, maximum = 1000000, example = 20.0)]
    max_daily_cost_usd: Option<f64>,
}

/// A new token. The token itself is shown only here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTokenView {
    /// The token, to be sent as `Authorization: Bearer`.
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

/// Tokens, and the principals they belong to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    /// The tokens, oldest first.
    tokens: Vec<TokenView>,
    principals: Vec<PrincipalView>,
}

/// A principal with its quotas and their use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrincipalView {
    principal: String,
    /// Whether it may create, list and revoke tokens.
    admin: bool,
    /// The repositories it may work on; empty for any.
    repositories: Vec<String>,
    /// Maximum sessions that run at the same time.
    max_concurrent_sessions: Option<u32>,
    /// Maximum cost per day (UTC), in dollars.
    max_daily_cost_usd: Option<f64>,
    /// Running sessions.
    active: u32,
    /// Queued sessions.
    queued: u32,
    /// Dollars that were spent today or are reserved for unfinished sessions.
    committed_today_usd: f64,
}

impl PrincipalView {
    fn of(account: &Account, counters: &Counters, now: Timestamp) -> Self {
        let quota = &account.quota;
        Self {
            principal: account.principal.to_string(),
            admin: account.role == Role::Admin,
            repositories: quota.repositories.iter().map(ToString::to_string).collect(),
            max_concurrent_sessions: quota.max_concurrent_sessions,
            max_daily_cost_usd: quota.max_daily_cost.map(MicroDollars::as_dollars),
            active: counters.active(),
            queued: counters.queued(),
            committed_today_usd: counters.committed(now).as_dollars(),
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
    require_admin(&caller)?;
    let now = api.services.clock.now();
    let tokens = api.services.accounts.tokens().await?.into_iter().map(TokenView::from).collect();
    let mut principals = Vec::new();
    for account in api.services.accounts.accounts().await? {
        let counters = api.services.reservations.counters(&account.principal).await?;
        principals.push(PrincipalView::of(&account, &counters, now));
    }
    Ok(Json(TokenList { tokens, principals }))
}

/// Creates a token. The response contains it; it cannot be shown again.
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
    require_admin(&caller)?;
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

/// Revokes a token, with immediate effect.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id")),
    responses(
        (status = 204, description = "The token is revoked"),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(token): Id<TokenId>,
) -> Result<StatusCode, ApiError> {
    require_admin(&caller)?;
    commands::revoke_token(&api.services, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn require_admin(caller: &Caller) -> Result<(), ApiError> {
    match caller.role {
        Role::Admin => Ok(()),
        Role::Member => Err(ApiError::new(
            Code::Forbidden,
            format!("{} is not an admin; only admins may create, list and revoke tokens", caller.principal),
        )),
    }
}
