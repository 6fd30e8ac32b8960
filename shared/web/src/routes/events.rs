//! `GET /sessions/{id}/events`: what happens in a session, as a stream or as a page.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::{EventBody, Seq, SessionId, public_event};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::own;
use crate::Api;
use crate::access::Caller;
use crate::body::{Id, Query};
use crate::error::ApiError;
use crate::negotiation::prefers_json;
use crate::stream::{self, Deltas, Format, Wanted};

const LAST_EVENT_ID: &str = "last-event-id";

/// The most events on a page.
const MAX_PAGE_ITEMS: usize = 1000;

/// So many are read at once.
const PORTION: usize = 100;

/// About so many bytes are put on a page.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which events, and how they are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only what came after this event. The header `Last-Event-ID` counts for more.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// The most events on a page of JSON. 200 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The form of the stream.
    #[serde(default)]
    format: Format,
    /// Whether text is shown while it is written, in frames named `delta`. True when left out.
    deltas: Option<bool>,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventPage {
    /// The events, oldest first, as the stream shows them.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// What to ask for next as `after`.
    next_after: u64,
    /// Whether nothing more will come: the latest run is over, and this page reaches its end.
    done: bool,
}

/// Streams what happens in a session, from its beginning or from where a client was.
///
/// Each stored frame has an `id:`; a client that was cut off sends the last one it saw as `Last-Event-ID` (browsers do so by
/// themselves) or as `?after=`, and sees every event exactly once, in order. The stream ends with the final frame of the latest
/// run, or early with a `resume` frame. Who has seen the final frame gets 204. For `Accept: application/json` the events are a page.
#[utoipa::path(
    get, path = "/sessions/{id}/events", tag = "sessions", params(
        EventsQuery,
        ("id" = String, Path, description = "The session's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last frame that was seen"),
    ),
    responses(
        (status = 200, content(
            (String = "text/event-stream"),
            (EventPage = "application/json"),
        )),
        (status = 204, description = "The final frame of the latest run was seen already"),
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
    own(&api, &caller, &session).await?;
    let after = after(&headers, query.after)?;
    if prefers_json(&headers) {
        return Ok(Json(page(&api, &session, after, query.limit).await?).into_response());
    }
    if after > Seq(0) && api.services.event_log.read(&session, after, 1).await?.is_empty() {
        match last(&api, &session, after).await? {
            Some(EventBody::RunFinished(_)) => return Ok(StatusCode::NO_CONTENT.into_response()),
            Some(_) => {}
            None => return Err(ApiError::invalid(format!("the session has no event {after} yet"))),
        }
    }
    let deltas = if query.deltas.unwrap_or(true) { Deltas::Shown } else { Deltas::Left };
    let slot = stream::place(&api, &caller)?;
    Ok(stream::open(&api, slot, &session, Wanted { after, format: query.format, deltas }))
}

/// After which event a client wants to go on. A browser that reconnects repeats the address and adds where it was.
fn after(headers: &HeaderMap, query: Option<u64>) -> Result<Seq, ApiError> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?").trim());
    let after = match header {
        None | Some("") => query.unwrap_or(0),
        Some(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => {
            id.parse().map_err(|_| ApiError::invalid("Last-Event-ID is larger than any event's id"))?
        }
        Some(_) => return Err(ApiError::invalid("Last-Event-ID has to be the id of an event: a whole number")),
    };
    if after > i64::MAX.unsigned_abs() {
        return Err(ApiError::invalid("that is larger than any event's id"));
    }
    Ok(Seq(after))
}

/// The event of that number.
async fn last(api: &Api, session: &SessionId, seq: Seq) -> Result<Option<EventBody>, ApiError> {
    let events = api.services.event_log.read(session, Seq(seq.0 - 1), 1).await?;
    Ok(events.into_iter().find(|event| event.seq == seq).map(|event| event.body))
}

async fn page(api: &Api, session: &SessionId, after: Seq, limit: Option<u32>) -> Result<EventPage, ApiError> {
    let limit = limit.map_or(200, |limit| limit as usize);
    if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
        return Err(ApiError::invalid(format!("limit has to be 1 to {MAX_PAGE_ITEMS}")));
    }
    let (mut bytes, mut events, mut next_after, mut over) = (0, Vec::new(), after, false);
    let mut more = true;
    while more && events.len() < limit && bytes < MAX_PAGE_BYTES {
        let found = api.services.event_log.read(session, next_after, PORTION).await?;
        more = !found.is_empty();
        for event in found {
            if events.len() == limit || bytes >= MAX_PAGE_BYTES {
                break;
            }
            let shown = api.services.redactor.redact_json(&public_event(session, &event));
            bytes += shown.to_string().len();
            events.push(shown);
            next_after = event.seq;
            over = is_over(&event.body);
        }
    }
    if events.is_empty() && after > Seq(0) {
        over = last(api, session, after).await?.is_some_and(|body| is_over(&body));
    }
    let done = over && api.services.event_log.read(session, next_after, 1).await?.is_empty();
    Ok(EventPage { events, next_after: next_after.0, done })
}

fn is_over(body: &EventBody) -> bool {
    matches!(body, EventBody::RunFinished(_))
}
