//! Reads bodies, queries and paths, with errors that say what is wrong.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::Api;
use crate::error::{ApiError, Code};

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// A JSON body. An empty one counts as `{}`.
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let most = api.limits.body_bytes;
        let read = tokio::time::timeout(PATIENCE, read(request.into_body(), most)).await;
        let bytes = read.map_err(|_| ApiError::invalid("the body took too long to arrive"))??;
        let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| ApiError::invalid(format!("the body: {}", short(&error))))
    }
}

/// The whole body, if it has no more than `most` bytes. What is longer is read on for a while and thrown away: a client that is
/// still sending would otherwise never see the answer.
async fn read(mut body: Body, most: usize) -> Result<Vec<u8>, ApiError> {
    const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;
    let mut kept = Vec::new();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::invalid("the body did not arrive whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len();
        if bytes <= most {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
        }
        if bytes > MAX_DISCARDED_BYTES {
            break;
        }
    }
    if bytes > most {
        return Err(ApiError::new(Code::PayloadTooLarge, format!("the body is longer than {most} bytes")));
    }
    Ok(kept)
}

/// What is wrong, without the whole of what was sent.
fn short(error: &dyn std::fmt::Display) -> String {
    const MAX_CHARACTERS: usize = 300;
    domain::text::shorten(&error.to_string(), MAX_CHARACTERS).into_owned()
}

/// The parameters after `?`.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(query)
            .map(Self)
            .map_err(|error| ApiError::invalid(format!("the parameters after '?': {}", short(&error))))
    }
}

/// An identifier in the address. One that cannot be one names nothing.
pub(crate) struct Id<T>(pub T);

impl<T: std::str::FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let nothing = || ApiError::new(Code::NotFound, "there is nothing of that name");
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await.map_err(|_| nothing())?;
        path.0.parse().map(Self).map_err(|_| nothing())
    }
}
