//! Extractors for bodies, queries and ids in paths, with errors for users.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::Api;
use crate::error::{ApiError, Code};

/// Time limit for receiving a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body. An empty body counts as `{}`.
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let read = tokio::time::timeout(BODY_TIMEOUT, read(request.into_body(), api.limits.body_bytes)).await;
        let bytes = read.map_err(|_| {
            ApiError::invalid(format!("the body did not arrive within {} seconds", BODY_TIMEOUT.as_secs()))
        })??;
        let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| ApiError::invalid(format!("the body is not valid: {}", short(&error))))
    }
}

/// Reads the whole body. The rest of a body that is too long is read and discarded up to 64 MiB: most clients read the response
/// only after they have sent everything, and would see a closed connection instead of the error.
async fn read(mut body: Body, max_bytes: usize) -> Result<Vec<u8>, ApiError> {
    const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;
    let mut content = Vec::new();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::invalid("the connection broke off within the body"))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len();
        if bytes <= max_bytes {
            content.extend_from_slice(&data);
        } else {
            content = Vec::new();
        }
        if bytes > MAX_DISCARDED_BYTES {
            break;
        }
    }
    if bytes > max_bytes {
        return Err(ApiError::new(Code::PayloadTooLarge, format!("the body is longer than {max_bytes} bytes")));
    }
    Ok(content)
}

/// The error's message, cut: serde's may quote much of the input.
fn short(error: &dyn std::fmt::Display) -> String {
    const MAX_CHARACTERS: usize = 300;
    domain::text::shorten(&error.to_string(), MAX_CHARACTERS).into_owned()
}

/// The query parameters.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(query)
            .map(Self)
            .map_err(|error| ApiError::invalid(format!("the query parameters are not valid: {}", short(&error))))
    }
}

/// An id in the path. One that does not parse is reported as not found.
pub(crate) struct Id<T>(pub T);

impl<T: std::str::FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let not_found = || ApiError::new(Code::NotFound, "there is nothing with this id");
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        path.0.parse().map(Self).map_err(|_| not_found())
    }
}
