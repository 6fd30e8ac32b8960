//! Refuses requests that a legitimate client does not send: for other host names, from web pages of other origins, with bodies
//! that are not declared as JSON, with oversized headers or addresses.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, CONTENT_TYPE,
    HOST, ORIGIN, TRANSFER_ENCODING, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::policy::{AccessPolicy, Hosts};
use crate::error::{ApiError, Code};

/// Maximum headers of a request.
const MAX_HEADERS: usize = 64;

/// Maximum size of a request's headers, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Maximum length of a request's path and query, in bytes.
const MAX_URI_BYTES: usize = 4 * 1024;

pub(super) async fn guard(State(policy): State<Arc<AccessPolicy>>, request: Request, next: Next) -> Response {
    let origin = match check(&policy, &request) {
        Ok(origin) => origin,
        Err(refused) => return refused.into_response(),
    };
    let Some(origin) = origin else { return next.run(request).await };
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    allow(response.headers_mut(), &origin, preflight);
    response
}

/// Checks a request. Returns the origin of the page that sent it, when that is another origin which is allowed.
fn check(policy: &AccessPolicy, request: &Request) -> Result<Option<HeaderValue>, ApiError> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        let message = format!(
            "the request has {} headers with {bytes} bytes; at most {MAX_HEADERS} with {MAX_HEADER_BYTES} are accepted",
            headers.len()
        );
        return Err(ApiError::new(Code::HeadersTooLarge, message));
    }
    let address = request.uri().path_and_query().map_or(0, |both| both.as_str().len());
    if address > MAX_URI_BYTES {
        let message = format!("the address has {address} bytes; at most {MAX_URI_BYTES} are accepted");
        return Err(ApiError::new(Code::AddressTooLong, message));
    }
    let host = check_host(policy, request)?;
    let origin = check_origin(policy, headers, host)?;
    check_content_type(headers)?;
    Ok(origin)
}

fn check_host<'a>(policy: &AccessPolicy, request: &'a Request) -> Result<&'a str, ApiError> {
    let header = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or(header).unwrap_or_default();
    let Hosts::LoopbackOr(names) = &policy.hosts else { return Ok(host) };
    let name = without_port(host).to_ascii_lowercase();
    let loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&name.as_str());
    if loopback || names.iter().any(|known| known.eq_ignore_ascii_case(&name) || known.eq_ignore_ascii_case(host)) {
        return Ok(host);
    }
    let message = "this Host name is not allowed; the operator can allow it with --allow-host";
    Err(ApiError::new(Code::Forbidden, message))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An IPv6 address without a port ends in a bracket, so what follows its last colon is not all digits.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// A browser sends the origin of the page that makes a request. Allowed are the service's own pages, and those of the policy's
/// origins.
fn check_origin(policy: &AccessPolicy, headers: &HeaderMap, host: &str) -> Result<Option<HeaderValue>, ApiError> {
    let Some(value) = headers.get(ORIGIN) else { return Ok(None) };
    let origin = value.to_str().unwrap_or_default();
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
        return Ok(None);
    }
    if policy.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
        return Ok(Some(value.clone()));
    }
    Err(ApiError::new(Code::Forbidden, "pages of this origin may not use the service"))
}

/// A body has to be declared as JSON. A form on another page cannot do so, and a script there needs a preflight for it.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let empty = !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    let declared = headers.get(CONTENT_TYPE);
    if empty && declared.is_none() {
        return Ok(());
    }
    let declared = declared.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = declared.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = "the body has to be JSON; send it with Content-Type: application/json";
    Err(ApiError::new(Code::UnsupportedMediaType, message))
}

fn allow(headers: &mut HeaderMap, origin: &HeaderValue, preflight: bool) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(VARY, HeaderValue::from_static("origin"));
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
        let names = "authorization, content-type, idempotency-key, last-event-id, prefer, x-request-id";
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(names));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    } else {
        let names = "idempotent-replayed, location, retry-after, x-request-id";
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(names));
    }
}
