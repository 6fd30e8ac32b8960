//! The header `Idempotency-Key`.

use axum::extract::FromRequestParts;
use domain::IdempotencyKey;
use http::HeaderName;
use http::request::Parts;

use crate::error::ApiError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request that may be sent twice, if it has one.
pub(crate) struct RequestKey(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for RequestKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(|text| text.parse().ok());
        let invalid = || ApiError::invalid("Idempotency-Key must have 1 to 255 visible ASCII characters");
        Ok(Self(Some(key.ok_or_else(invalid)?)))
    }
}
