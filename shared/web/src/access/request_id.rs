//! Assigns request ids, writes the bodies of errors, and turns a panic into an error response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::ports::Ids;
use futures_util::FutureExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::error::{ApiError, Code, ErrorBody, ErrorContent};

/// The cause is in the log, under the request's id.
const INTERNAL: &str = "an internal error occurred; the service's log has details under the request id";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn assign_request_id(State(ids): State<Arc<dyn Ids>>, request: Request, next: Next) -> Response {
    let id = request_id(ids.as_ref(), &request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    tracing::debug!(request_id = id, %method, path, status = response.status().as_u16(), "request");
    write_error(&mut response, &method, &id);
    let headers = response.headers_mut();
    // The id's characters are valid in a header, so this does not fail.
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    let caching = HeaderValue::from_static("no-store");
    headers.entry(http::header::CACHE_CONTROL).or_insert(caching);
    response
}

/// The id that the client gave its request, if it is safe to log, otherwise a new one.
fn request_id(ids: &dyn Ids, request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let safe = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(safe).map_or_else(|| ids.unique(), str::to_owned)
}

/// Writes the body of an error response. Errors of the router itself (unknown path, wrong method) get the same shape.
fn write_error(response: &mut Response, method: &Method, id: &str) {
    let own = response.extensions_mut().remove::<ApiError>();
    let error = own.or_else(|| router_error(response, method));
    let Some(error) = error else { return };
    let (mut parts, _) = std::mem::take(response).into_parts();
    let content = ErrorContent { code: error.code, message: error.message, request_id: id.to_owned() };
    let (json, body) = Json(ErrorBody { error: content }).into_response().into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.extend(json.headers);
    *response = Response::from_parts(parts, body);
}

/// The error behind a response that axum made, with a text of its own or without a body.
fn router_error(response: &Response, method: &Method) -> Option<ApiError> {
    let status = response.status();
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if json || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status {
        StatusCode::NOT_FOUND => ApiError::new(Code::NotFound, "no route has this path; /docs lists all routes"),
        StatusCode::METHOD_NOT_ALLOWED => {
            let message =
                format!("this route does not support {method}; the header Allow lists the methods it supports");
            ApiError::new(Code::MethodNotAllowed, message)
        }
        status if status.is_client_error() => ApiError::new(Code::InvalidRequest, "the request is malformed"),
        _ => ApiError::new(Code::Internal, INTERNAL),
    })
}

pub(super) async fn catch_panics(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request handler panicked");
            ApiError::new(Code::Internal, INTERNAL).into_response()
        }
    }
}
