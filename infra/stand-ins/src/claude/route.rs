//! The routes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, Request as HttpRequest, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::api_error::ApiError;
use super::bill::Charge;
use super::connection::Cut;
use super::digest::Digest;
use super::fault::{Fault, Kind};
use super::gate::Hold;
use super::kept;
use super::models::Model;
use super::play::{self, Due};
use super::recorded::Recorded;
use super::request::{Purpose, Request, Role, Version};
use super::server::State;
use super::{signature, stream, wire};

const MAX_BODY_BYTES: usize = 32 << 20;
const SLOW: f64 = 5.0;

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
    ConnectInfo(connection): ConnectInfo<Cut>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let id = request_id(&state);
    let bytes = body.as_ref().cloned().unwrap_or_default();
    let answer = match read(&state, &uri, &headers, body, Purpose::Reply) {
        Ok(request) => reply(&state, &request, &id, &connection).await,
        Err(error) => Err(error),
    };
    if answer.is_ok() && text(&headers, "user-agent") == Some("tiny-backspace") {
        keep(&state, &bytes);
    }
    finish(answer, &id)
}

/// Keeps what our client sent.
fn keep(state: &State, body: &[u8]) {
    if let Some(directory) = &state.settings.keep_bodies
        && let Err(error) = kept::keep(directory, body)
    {
        tracing::error!(%error, "a body was not kept");
    }
}

async fn count_tokens(Shared(state): Shared<Arc<State>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let id = request_id(&state);
    let request = read(&state, &uri, &headers, body, Purpose::Count);
    let counted = request.and_then(|request| {
        signature::check(&request)?;
        Ok(Json(json!({ "input_tokens": request.tokens() })).into_response())
    });
    finish(counted, &id)
}

/// Which part of a list is wanted.
#[derive(Deserialize)]
struct Part {
    limit: Option<usize>,
    after_id: Option<String>,
}

async fn models(Shared(state): Shared<Arc<State>>, Query(part): Query<Part>, uri: Uri, headers: HeaderMap) -> Response {
    let id = request_id(&state);
    let list = looked_up(&state, &uri, &headers).map(|()| {
        let all = Model::all();
        let after = part.after_id.as_ref().and_then(|after| all.iter().position(|model| model.id == *after));
        let rest = &all[after.map_or(0, |after| after + 1)..];
        let shown = &rest[..part.limit.unwrap_or(20).clamp(1, 1000).min(rest.len())];
        let views: Vec<Value> = shown.iter().map(Model::view).collect();
        let end = |view: Option<&Value>| view.map_or(Value::Null, |view| view["id"].clone());
        let (first, last, has_more) = (end(views.first()), end(views.last()), shown.len() < rest.len());
        Json(json!({ "data": views, "has_more": has_more, "first_id": first, "last_id": last })).into_response()
    });
    finish(list, &id)
}

async fn model(Shared(state): Shared<Arc<State>>, Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let id = request_id(&state);
    let view = looked_up(&state, &uri, &headers).and_then(|()| {
        let model = Model::find(&name).ok_or_else(|| ApiError::new(404, format!("model: {name}")))?;
        Ok(Json(model.view()).into_response())
    });
    finish(view, &id)
}

async fn unknown(Shared(state): Shared<Arc<State>>, request: HttpRequest) -> Response {
    let id = request_id(&state);
    record(&state, request.method().clone(), request.uri(), request.headers(), Bytes::new());
    finish(Err(ApiError::new(404, "Not found")), &id)
}

fn looked_up(state: &State, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    record(state, Method::GET, uri, headers, Bytes::new());
    authenticate(headers, state.settings.accepted_key.as_deref())?;
    version(headers).map(drop)
}

/// Everything that is checked before there is an answer.
fn read(state: &State, uri: &Uri, headers: &HeaderMap, body: Body, purpose: Purpose) -> Result<Request, ApiError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(413, "Request exceeds the maximum size"),
        _ => ApiError::invalid("The request body could not be read"),
    });
    record(state, Method::POST, uri, headers, body.clone().unwrap_or_default());
    authenticate(headers, state.settings.accepted_key.as_deref())?;
    let version = version(headers)?;
    let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if !kind.trim_start().starts_with("application/json") {
        return Err(ApiError::invalid("content-type: Input should be 'application/json'"));
    }
    Request::read(&body?, version, headers.contains_key("anthropic-beta"), purpose)
}

fn authenticate(headers: &HeaderMap, accepted: Option<&str>) -> Result<(), ApiError> {
    let bearer = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    // With both present the real service goes by this one.
    let (given, flaw) = match text(headers, "x-api-key") {
        Some(key) => (Some(key), "invalid x-api-key"),
        None => (bearer, "Invalid bearer token"),
    };
    let given = given.filter(|key| !key.trim().is_empty());
    let given = given.ok_or_else(|| ApiError::new(401, "x-api-key header is required"))?;
    match accepted {
        Some(accepted) if accepted != given => Err(ApiError::new(401, flaw)),
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

async fn reply(state: &State, request: &Request, id: &str, connection: &Cut) -> Result<Response, ApiError> {
    let place = signature::check(request)?;
    let due = play::due(&state.script, request)?;
    let mut so_far = Digest::of_frame(request);
    for (role, block) in request.blocks() {
        so_far.add_text(role);
        so_far.add(block);
    }
    let fault = match due {
        Due::Turn(turn) => turn.fault.as_ref().filter(|fault| strikes(state, request, fault)),
        Due::Plan(_) | Due::Over => None,
    };
    match fault {
        Some(fault) if fault.kind == Kind::Status => return Ok(status_fault(fault, id)),
        Some(fault) if fault.kind == Kind::HangUp => {
            connection.cut();
            return Ok(StatusCode::OK.into_response());
        }
        Some(fault) if fault.kind == Kind::SlowFirstByte => {
            let late = Duration::from_secs_f64(fault.seconds.unwrap_or(SLOW));
            let mut shutdown = state.shutdown.clone();
            tokio::select! {
                () = tokio::time::sleep(late) => {}
                _ = shutdown.wait_for(|down| *down) => {}
            }
        }
        Some(_) | None => {}
    }
    let (prompt, hold) = charge(state, request);
    let mut answer = Answer::write(&due, request, &place, &so_far, prompt);
    answer.diagnostics = state.changing().known.compare(request, &answer.id);
    if !request.stream {
        bill(state, &answer, answer.output_tokens, true);
        if let Some(hold) = hold {
            hold.wait().await;
        }
        return Ok(Json(answer.message()).into_response());
    }
    let events = wire::events(&answer, state.settings.piece_size);
    match fault.and_then(|fault| stream::sent(events.len(), fault)) {
        None => bill(state, &answer, answer.output_tokens, true),
        // Of what was never begun nobody knows; it is not billed.
        Some(0) => {}
        Some(sent) => bill(state, &answer, wire::tokens_of(&events[..sent]), false),
    }
    let body = stream::body(events, fault, id, hold, state.settings.pace, state.shutdown.clone());
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    let cache = HeaderValue::from_static("no-cache");
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], body).into_response())
}

fn bill(state: &State, answer: &Answer, output: u64, whole: bool) {
    let charge = Charge::of(&answer.model, answer.prompt, output, whole);
    state.changing().bill.push(charge);
}

fn charge(state: &State, request: &Request) -> (super::cache::Prompt, Option<Hold>) {
    let now = (state.settings.clock)();
    let mut changing = state.changing();
    (changing.cache.charge(request, now), changing.holds.pop_front())
}

/// A conversation is told by its beginning, and its turn by the replies before.
fn strikes(state: &State, request: &Request, fault: &Fault) -> bool {
    let mut place = Digest::of_frame(request);
    if let Some(first) = request.messages.first() {
        first.blocks.iter().for_each(|block| place.add(block));
    }
    let turn = request.messages.iter().filter(|message| message.role == Role::Assistant).count();
    place.add_text(&turn.to_string());
    state.changing().struck.strikes(fault, place.short())
}

fn status_fault(fault: &Fault, id: &str) -> Response {
    let message = fault.message.clone().unwrap_or_else(|| match fault.status() {
        429 => "This request would exceed your rate limit.".to_owned(),
        529 => "Overloaded".to_owned(),
        402 => "Your credit balance is too low to access the API.".to_owned(),
        _ => "Internal server error".to_owned(),
    });
    let mut response = ApiError::new(fault.status(), message).into_response(id);
    let mut set = |name: &'static str, value: Option<String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    };
    set("retry-after", fault.retry_after.map(|seconds| seconds.to_string()));
    set("x-should-retry", fault.should_retry.map(|retry| retry.to_string()));
    response
}

/// The headers that every answer has.
fn finish(answer: Result<Response, ApiError>, id: &str) -> Response {
    let mut response = answer.unwrap_or_else(|error| error.into_response(id));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
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

fn request_id(state: &State) -> String {
    let mut changing = state.changing();
    changing.answered += 1;
    let mut digest = Digest::default();
    digest.add_text(&changing.answered.to_string());
    digest.id("req")
}

fn record(state: &State, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) {
    state.changing().record.add(Recorded::new(method, uri.path(), headers, body));
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
