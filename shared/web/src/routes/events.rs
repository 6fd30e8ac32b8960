//! `GET /sessions/{id}/events`: the events of a session, as a stream or as pages.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::{Event, EventBody, Seq, SessionId, public_event};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::ownership::owned_session;
use crate::Api;
use crate::access::Caller;
use crate::body::{Id, Query};
use crate::error::ApiError;
use crate::negotiation::prefers_json;
use crate::stream::{Deltas, Format, StreamOptions};

const LAST_EVENT_ID: &str = "last-event-id";

/// Maximum events on a page.
const MAX_PAGE_ITEMS: usize = 1000;

/// Events that are read from the log at a time.
const READ_ITEMS: usize = 100;

/// Size of a page, in bytes, after which no event is added to it.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Selects events and their format.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only events after this one. The header `Last-Event-ID` takes precedence.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// Maximum events on a page of JSON. Default: 200.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The format of the stream.
    #[serde(default)]
    format: Format,
    /// Whether the stream shows text while the model writes it, in events named `delta`. Default: true.
    deltas: Option<bool>,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventPage {
    /// The events, oldest first, as the stream shows them, and those about the removal of sandboxes after the end of a run.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// The value of `after` for the next page.
    next_after: u64,
    /// Whether this page ends the log of a session whose latest run is over.
    done: bool,
}

/// Streams the events of a session, from its beginning or after a given event.
///
/// Each stored frame has an `id:`. After a disconnect, a client sends the last id it has received as `Last-Event-ID` (browsers do
/// so automatically) or as `?after=`, and receives every event exactly once, in order. The stream ends with the final frame of the
/// latest run, or early with a `resume` frame. A client that has received the final frame gets 204. For
/// `Accept: application/json` the response is a page of events.
#[utoipa::path(
    get, path = "/sessions/{id}/events", tag = "sessions", params(
        EventsQuery,
        ("id" = String, Path, description = "The session's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last frame that was received"),
    ),
    responses(
        (status = 200, content(
            (String = "text/event-stream"),
            (EventPage = "application/json"),
        )),
        (status = 204, description = "The client has received the final frame of the latest run"),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn events(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    owned_session(&api, &caller, &session).await?;
    let after = after(&headers, query.after)?;
    if prefers_json(&headers) {
        return Ok(Json(page(&api, &session, after, query.limit).await?).into_response());
    }
    if after > Seq(0) && nothing_to_show(&api, &session, after).await? {
        match event(&api, &session, after).await? {
            Some(last) if ends_stream(&last) => return Ok(StatusCode::NO_CONTENT.into_response()),
            Some(_) => {}
            None => return Err(ApiError::invalid(format!("the session has no event {after}"))),
        }
    }
    let deltas = if query.deltas.unwrap_or(true) { Deltas::Include } else { Deltas::Omit };
    let slot = api.streams.acquire_slot(&caller.principal)?;
    Ok(api.streams.open(slot, &session, StreamOptions { after, format: query.format, deltas }))
}

/// The event after which the client resumes. A browser that reconnects repeats the whole URL and adds the header, so the header
/// takes precedence.
fn after(headers: &HeaderMap, query: Option<u64>) -> Result<Seq, ApiError> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?").trim());
    let after = match header {
        None | Some("") => query.unwrap_or(0),
        Some(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => {
            id.parse().map_err(|_| ApiError::invalid("Last-Event-ID is larger than the id of any event"))?
        }
        Some(_) => return Err(ApiError::invalid("Last-Event-ID must be the id of an event, a whole number")),
    };
    if after > i64::MAX.unsigned_abs() {
        return Err(ApiError::invalid("after is larger than the id of any event"));
    }
    Ok(Seq(after))
}

/// The event with a number.
async fn event(api: &Api, session: &SessionId, seq: Seq) -> Result<Option<Event>, ApiError> {
    let page = api.services.event_log.read(session, Seq(seq.0 - 1), 1).await?;
    Ok(page.events.into_iter().find(|event| event.seq == seq))
}

/// Whether the log ends at `after`, but for events that streams do not show.
async fn nothing_to_show(api: &Api, session: &SessionId, after: Seq) -> Result<bool, ApiError> {
    let next = api.services.event_log.read(session, after, READ_ITEMS).await?;
    Ok(next.events.iter().all(Event::follows_end))
}

/// Whether a stream ends with this event, or before it, unless another run follows.
fn ends_stream(event: &Event) -> bool {
    matches!(event.body, EventBody::RunFinished(_) | EventBody::SessionDeleted(_)) || event.follows_end()
}

async fn page(api: &Api, session: &SessionId, after: Seq, limit: Option<u32>) -> Result<EventPage, ApiError> {
    let limit = limit.map_or(200, |limit| limit as usize);
    if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
        return Err(ApiError::invalid(format!("limit must be from 1 to {MAX_PAGE_ITEMS}")));
    }
    let (mut bytes, mut events, mut next_after, mut over) = (0, Vec::new(), after, false);
    let mut next = Some(after);
    while let Some(from) = next.filter(|_| events.len() < limit && bytes < MAX_PAGE_BYTES) {
        let found = api.services.event_log.read(session, from, READ_ITEMS).await?;
        next = found.next;
        for event in found.events {
            if events.len() == limit || bytes >= MAX_PAGE_BYTES {
                next = Some(next_after);
                break;
            }
            let shown = api.services.redactor.redact_json(&public_event(session, &event));
            bytes += shown.to_string().len();
            events.push(shown);
            next_after = event.seq;
            over = ends_stream(&event);
        }
    }
    if events.is_empty() && after > Seq(0) {
        over = event(api, session, after).await?.is_some_and(|event| ends_stream(&event));
    }
    Ok(EventPage { events, next_after: next_after.0, done: over && next.is_none() })
}
