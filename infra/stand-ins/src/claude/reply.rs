//! Answers a request for a reply: what the script says next, with its fault, its charge and its gate.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::Answer;
use super::api_error::ApiError;
use super::bill::Charge;
use super::cache::PromptTokens;
use super::connection::Abort;
use super::digest::Digest;
use super::fault::{Fault, FaultKind};
use super::gate::Hold;
use super::play::{self, NextReply};
use super::request::{Request, Role};
use super::state::State;
use super::{signature, stream, wire};

const DEFAULT_DELAY_SECONDS: f64 = 5.0;

/// What `date` says of an answer whose `retry-after` is a date, in seconds since 1970: a clock that is not this machine's.
const ANSWERED_AT: i64 = 1_795_773_600;

/// # Errors
/// If the conversation was edited, or if the script has no reply to it.
pub(crate) async fn reply(
    state: &State,
    request: &Request,
    request_id: &str,
    connection: &Abort,
) -> Result<Response, ApiError> {
    let binding = signature::check(request)?;
    let next = play::next_reply(&state.script, request)?;
    let fault = match next {
        NextReply::Turn(turn) => turn.fault.as_ref().filter(|fault| occurs(state, request, fault)),
        NextReply::Plan(_) | NextReply::ScriptEnded => None,
    };
    match fault {
        Some(fault) if fault.kind == FaultKind::Status => return Ok(error_fault(fault, fault.status(), request_id)),
        Some(fault) if fault.kind == FaultKind::ErrorObject => return Ok(error_fault(fault, 200, request_id)),
        Some(fault) if fault.kind == FaultKind::Window => {
            let refused = fault.refused_sum(request.tokens(), request.max_tokens);
            refused.map_or(Ok(()), |message| Err(ApiError::invalid(message)))?;
        }
        Some(fault) if fault.kind == FaultKind::HangUp => {
            connection.abort();
            // Never written: the connection is gone.
            return Ok(StatusCode::OK.into_response());
        }
        Some(fault) if fault.kind == FaultKind::SlowFirstByte => {
            let delay = Duration::from_secs_f64(fault.seconds.unwrap_or(DEFAULT_DELAY_SECONDS));
            let mut shutdown = state.shutdown.clone();
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = shutdown.wait_for(|is_shut_down| *is_shut_down) => {}
            }
        }
        Some(_) | None => {}
    }
    let (prompt, hold) = charge_prompt(state, request);
    let mut answer = Answer::write(&next, request, &binding, &conversation(request), prompt);
    answer.diagnostics = state.memory().sent.add(request, &answer.id);
    if !request.stream {
        bill(state, &answer, answer.output_tokens, true);
        if let Some(hold) = hold {
            hold.wait().await;
        }
        return Ok(Json(answer.message()).into_response());
    }
    let events = wire::events(&answer, state.settings.piece_size);
    match fault.and_then(|fault| stream::events_before_fault(events.len(), fault)) {
        None => bill(state, &answer, answer.output_tokens, true),
        // Nothing of the reply was sent, so nothing is billed.
        Some(0) => {}
        Some(sent) => bill(state, &answer, wire::tokens_of(&events[..sent]), false),
    }
    let body = stream::body(events, fault, request_id, hold, state.settings.pace, state.shutdown.clone());
    let content_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
    let cache_control = HeaderValue::from_static("no-cache");
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, cache_control)], body).into_response())
}

/// A digest of the whole conversation, from which the ids of the reply are made.
fn conversation(request: &Request) -> Digest {
    let mut digest = Digest::of_tools_and_system(request);
    for (kind, block) in request.blocks() {
        digest.add_text(kind);
        digest.add(block);
    }
    digest
}

fn bill(state: &State, answer: &Answer, output: u64, complete: bool) {
    let charge = Charge::new(&answer.model, answer.prompt, output, complete);
    state.memory().bill.push(charge);
}

fn charge_prompt(state: &State, request: &Request) -> (PromptTokens, Option<Hold>) {
    let now = (state.settings.clock)();
    let mut memory = state.memory();
    (memory.cache.charge(request, now), memory.holds.pop_front())
}

/// Whether a fault occurs now. A conversation is identified by its tools, system prompt and first message, and a turn in it by
/// the number of replies before.
fn occurs(state: &State, request: &Request, fault: &Fault) -> bool {
    if fault.kind == FaultKind::Window {
        return true;
    }
    let mut turn = Digest::of_tools_and_system(request);
    if let Some(first) = request.messages.first() {
        first.blocks.iter().for_each(|block| turn.add(block));
    }
    let replies = request.messages.iter().filter(|message| message.role == Role::Assistant).count();
    turn.add_text(&replies.to_string());
    state.memory().fault_counts.occurs(fault, turn.short())
}

/// An error with the HTTP status `status` and the `error.type` of the fault's own.
fn error_fault(fault: &Fault, status: u16, request_id: &str) -> Response {
    let message = fault.message.clone().unwrap_or_else(|| match fault.status() {
        429 => "This request would exceed your rate limit.".to_owned(),
        529 => "Overloaded".to_owned(),
        402 => "Your credit balance is too low to access the API.".to_owned(),
        _ => "Internal server error".to_owned(),
    });
    let mut response = ApiError::new(fault.status(), message).into_response(request_id);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut set = |name: &'static str, value: Option<String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    };
    set("retry-after", fault.retry_after.map(|seconds| seconds.to_string()));
    set("x-should-retry", fault.should_retry.map(|retry| retry.to_string()));
    if let Some(seconds) = fault.retry_after_date {
        set("date", http_date(ANSWERED_AT));
        set("retry-after", http_date(ANSWERED_AT + i64::from(seconds)));
    }
    response
}

fn http_date(seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}
