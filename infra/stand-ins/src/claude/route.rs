//! The routes, and what every request has to satisfy: key, version, content type.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, Request as HttpRequest, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::connection::Abort;
use super::digest::Digest;
use super::models::Model;
use super::reply::reply;
use super::request::{Purpose, Request, Version};
use super::request_log::RecordedRequest;
use super::state::State;
use super::{body_store, check, parse, signature};

/// The API's limit.
const MAX_BODY_BYTES: usize = 32 << 20;

/// The `user-agent` of our own client.
const OUR_CLIENT: &str = "tiny-backspace";

pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(state)
}

type Body = Result<Bytes, BytesRejection>;

async fn messages(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(connection): ConnectInfo<Abort>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let id = next_request_id(&state);
    let bytes = body.as_ref().cloned().unwrap_or_default();
    let answer = match read(&state, &uri, &headers, body, Purpose::Reply) {
        Ok(request) => reply(&state, &request, &id, &connection).await,
        Err(error) => Err(error),
    };
    if answer.is_ok() && text(&headers, "user-agent") == Some(OUR_CLIENT) {
        store_body(&state, &bytes);
    }
    finish(answer, &id)
}

fn store_body(state: &State, body: &[u8]) {
    if let Some(directory) = &state.settings.body_directory
        && let Err(error) = body_store::store(directory, body)
    {
        tracing::error!(%error, "the body of a request could not be stored");
    }
}

async fn count_tokens(Shared(state): Shared<Arc<State>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let id = next_request_id(&state);
    let count = read(&state, &uri, &headers, body, Purpose::CountTokens).and_then(|request| {
        signature::check(&request)?;
        Ok(Json(json!({ "input_tokens": request.tokens() })).into_response())
    });
    finish(count, &id)
}

/// The page of a list.
#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
    after_id: Option<String>,
}

async fn models(Shared(state): Shared<Arc<State>>, Query(page): Query<Page>, uri: Uri, headers: HeaderMap) -> Response {
    let id = next_request_id(&state);
    let list = read_get(&state, &uri, &headers).map(|()| {
        let all = Model::all();
        let after = page.after_id.as_ref().and_then(|after| all.iter().position(|model| model.id == *after));
        let rest = &all[after.map_or(0, |after| after + 1)..];
        let shown = &rest[..page.limit.unwrap_or(20).clamp(1, 1000).min(rest.len())];
        let views: Vec<Value> = shown.iter().map(Model::view).collect();
        let id_of = |view: Option<&Value>| view.map_or(Value::Null, |view| view["id"].clone());
        let (first, last, has_more) = (id_of(views.first()), id_of(views.last()), shown.len() < rest.len());
        Json(json!({ "data": views, "has_more": has_more, "first_id": first, "last_id": last })).into_response()
    });
    finish(list, &id)
}

async fn model(Shared(state): Shared<Arc<State>>, Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let id = next_request_id(&state);
    let view = read_get(&state, &uri, &headers).and_then(|()| {
        let model = Model::find(&name).ok_or_else(|| ApiError::new(404, format!("model: {name}")))?;
        Ok(Json(model.view()).into_response())
    });
    finish(view, &id)
}

async fn unknown(Shared(state): Shared<Arc<State>>, request: HttpRequest) -> Response {
    let id = next_request_id(&state);
    record(&state, request.method().clone(), request.uri(), request.headers(), Bytes::new());
    finish(Err(ApiError::new(404, "Not found")), &id)
}

/// Records a GET and checks its headers.
fn read_get(state: &State, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    record(state, Method::GET, uri, headers, Bytes::new());
    authenticate(headers, state.settings.accepted_key.as_deref())?;
    version(headers).map(drop)
}

/// Records a POST, checks its headers, and parses and checks its body.
fn read(state: &State, uri: &Uri, headers: &HeaderMap, body: Body, purpose: Purpose) -> Result<Request, ApiError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(413, "Request exceeds the maximum size"),
        _ => ApiError::invalid("The request body could not be read"),
    });
    record(state, Method::POST, uri, headers, body.clone().unwrap_or_default());
    authenticate(headers, state.settings.accepted_key.as_deref())?;
    let version = version(headers)?;
    let content_type = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if !content_type.trim_start().starts_with("application/json") {
        return Err(ApiError::invalid("content-type: Input should be 'application/json'"));
    }
    let beta = headers.contains_key("anthropic-beta");
    let body = parse::body(&body?)?;
    check::fields::names(&body, version, beta, purpose)?;
    let request = parse::request(body, purpose)?;
    check::request(&request, beta)?;
    Ok(request)
}

fn authenticate(headers: &HeaderMap, accepted: Option<&str>) -> Result<(), ApiError> {
    let bearer = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    // The real service prefers `x-api-key` if both are present.
    let (key, refusal) = match text(headers, "x-api-key") {
        Some(key) => (Some(key), "invalid x-api-key"),
        None => (bearer, "Invalid bearer token"),
    };
    let key = key.filter(|key| !key.trim().is_empty());
    let key = key.ok_or_else(|| ApiError::new(401, "x-api-key header is required"))?;
    match accepted {
        Some(accepted) if accepted != key => Err(ApiError::new(401, refusal)),
        Some(_) | None => Ok(()),
    }
}

fn version(headers: &HeaderMap) -> Result<Version, ApiError> {
    match text(headers, "anthropic-version") {
        Some("2023-06-01") => Ok(Version::V2023),
        Some("2026-10-21") => Ok(Version::V2026),
        Some(other) => Err(ApiError::invalid(format!("anthropic-version: \"{other}\" is not a valid version"))),
        None => Err(ApiError::invalid("anthropic-version: header is required")),
    }
}

/// Adds the headers that every answer has.
fn finish(answer: Result<Response, ApiError>, request_id: &str) -> Response {
    let mut response = answer.unwrap_or_else(|error| error.into_response(request_id));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("request-id", id);
    }
    for (name, value) in [
        ("anthropic-organization-id", "stand-in"),
        ("anthropic-ratelimit-requests-limit", "1000"),
        ("anthropic-ratelimit-requests-remaining", "999"),
        ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
        ("anthropic-ratelimit-input-tokens-limit", "500000"),
        ("anthropic-ratelimit-input-tokens-remaining", "499000"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:00Z"),
        ("anthropic-ratelimit-output-tokens-limit", "100000"),
        ("anthropic-ratelimit-output-tokens-remaining", "99000"),
        ("anthropic-ratelimit-output-tokens-reset", "2026-01-01T00:00:00Z"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn next_request_id(state: &State) -> String {
    let mut memory = state.memory();
    memory.answered += 1;
    let mut digest = Digest::default();
    digest.add_text(&memory.answered.to_string());
    digest.id("req")
}

fn record(state: &State, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) {
    state.memory().requests.add(RecordedRequest::new(method, uri.path(), headers, body));
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
