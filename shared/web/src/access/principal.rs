//! Who a request is from.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::{AccessToken, Principal, Role};
use http::HeaderMap;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::{AccessPolicy, AnonymousAccess};
use crate::Api;
use crate::error::{ApiError, Code};

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// Whether it may hand out tokens.
    pub role: Role,
}

/// Addresses that anybody may know: whether the service is there, and how it is used.
const OPEN: [&str; 2] = ["/health", "/openapi.json"];

pub(super) async fn identify(
    State((api, policy)): State<(Api, Arc<AccessPolicy>)>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&api, &policy, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) if refused.code == Code::Unauthorized => {
            let path = request.uri().path();
            if OPEN.contains(&path) || path == "/docs" || path.starts_with("/docs/") {
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

async fn caller(api: &Api, policy: &AccessPolicy, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let refused = |message: &str| Err(ApiError::new(Code::Unauthorized, message));
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return match &policy.anonymous {
            AnonymousAccess::As(principal) => Ok(Caller { principal: principal.clone(), role: Role::Admin }),
            AnonymousAccess::Refused => refused("a token is needed: Authorization: Bearer bsp_…"),
        };
    };
    let token = authorization.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| AccessToken::presented(token.trim())).flatten()
    });
    // A token that counts no more is not told apart from one that never was.
    let unknown = "this token is not known, has been revoked or is past its time";
    let Some(token) = token else { return refused(unknown) };
    let record = api.services.accounts.token_by_digest(&token.digest()).await?;
    let Some(record) = record.filter(|record| record.counts(api.services.clock.now())) else { return refused(unknown) };
    let role = api.services.account(&record.principal).await?.role;
    Ok(Caller { principal: record.principal, role })
}
