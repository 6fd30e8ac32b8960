//! Identifies the caller of a request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::commands::Services;
use domain::{AccessToken, Principal, Role};
use http::HeaderMap;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::policy::{AccessPolicy, AnonymousAccess};
use crate::error::{ApiError, Code};

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub principal: Principal,
    /// What the caller may do with other principals.
    pub role: Role,
}

/// Paths that need no token, besides those below `/docs`.
const PUBLIC_PATHS: [&str; 2] = ["/health", "/openapi.json"];

pub(super) async fn identify(
    State((services, policy)): State<(Services, Arc<AccessPolicy>)>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&services, &policy, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) if refused.code == Code::Unauthorized => {
            let path = request.uri().path();
            if PUBLIC_PATHS.contains(&path) || path == "/docs" || path.starts_with("/docs/") {
                return next.run(request).await;
            }
            let mut response = refused.into_response();
            let challenge = http::HeaderValue::from_static("Bearer realm=\"tiny-backspace\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        Err(refused) => refused.into_response(),
    }
}

async fn caller(services: &Services, policy: &AccessPolicy, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let refused = |message: &str| Err(ApiError::new(Code::Unauthorized, message));
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return match &policy.anonymous {
            AnonymousAccess::As(principal) => Ok(Caller { principal: principal.clone(), role: Role::Admin }),
            AnonymousAccess::Refused => refused("this request needs a token; send it as Authorization: Bearer bsp_…"),
        };
    };
    let token = authorization.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| AccessToken::parse(token.trim())).flatten()
    });
    // The same message for every reason, so that it does not tell whether a token ever existed.
    let invalid = "this token is unknown, revoked or expired; an admin can create another one";
    let Some(token) = token else { return refused(invalid) };
    let record = services.accounts.token_by_digest(&token.digest()).await?;
    let Some(record) = record.filter(|record| record.is_valid_at(services.clock.now())) else {
        return refused(invalid);
    };
    let role = services.account(&record.principal).await?.role;
    Ok(Caller { principal: record.principal, role })
}
