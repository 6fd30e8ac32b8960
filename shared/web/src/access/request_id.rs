//! Names each request, writes the bodies of errors, and keeps a fault in one request from being more than that.

use std::panic::AssertUnwindSafe;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::Api;
use crate::error::{ApiError, Code, ErrorBody, ErrorContent};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn assign_request_id(State(api): State<Api>, request: Request, next: Next) -> Response {
    let id = request_id(&api, &request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    tracing::debug!(request_id = id, %method, path, status = response.status().as_u16(), "request");
    write_error(&mut response, &method, &id);
    let headers = response.headers_mut();
    // Made of checked characters.
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

/// A client's own name for its request, when it is a harmless one.
fn request_id(api: &Api, request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(harmless).map_or_else(|| api.services.ids.unique(), str::to_owned)
}

/// Gives an error its body. What the router refuses by itself (no such address, no such method) is told like the rest.
fn write_error(response: &mut Response, method: &Method, id: &str) {
    let known = response.extensions_mut().remove::<ApiError>();
    let error = known.or_else(|| unworded(response, method));
    let Some(error) = error else { return };
    let (mut parts, _) = std::mem::take(response).into_parts();
    let content = ErrorContent { code: error.code, message: error.message, request_id: id.to_owned() };
    let (json, body) = Json(ErrorBody { error: content }).into_response().into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.extend(json.headers);
    *response = Response::from_parts(parts, body);
}

/// What the router, or a part of it that is not ours, refuses in words of its own or in none.
fn unworded(response: &Response, method: &Method) -> Option<ApiError> {
    let status = response.status();
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if json || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status {
        StatusCode::NOT_FOUND => {
            ApiError::new(Code::NotFound, "there is nothing at this address; /docs lists what there is")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let message = format!("{method} is not possible here; the header Allow says what is");
            ApiError::new(Code::MethodNotAllowed, message)
        }
        status if status.is_client_error() => ApiError::new(Code::InvalidRequest, "the request cannot be read"),
        _ => ApiError::new(Code::Internal, "something went wrong inside; the log says more"),
    })
}

pub(super) async fn catch_panics(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request was not carried out: a defect of ours");
            ApiError::new(Code::Internal, "something went wrong inside; the log says more").into_response()
        }
    }
}
