//! `POST /code`: from a prompt to a pull request.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::commands::{Origin, Start, start};
use domain::{IdempotencyKey, MicroDollars, Seq, SessionLog, UncheckedLimits, UncheckedRequest};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::access::Caller;
use crate::body::{JsonBody, Query};
use crate::error::{ApiError, Code};
use crate::negotiation::{prefers_json, wants_no_wait};
use crate::stream::{self, Deltas, Format, Wanted};
use crate::view::SessionView;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What is to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CodeRequest {
    /// The repository: an `http(s)` or `ssh` address, or on one machine also a path. Without credentials.
    #[schema(min_length = 1, max_length = 2048, example = "https://github.com/owner/repository")]
    repo_url: String,
    /// What is to be done: at most 262,144 bytes.
    #[schema(min_length = 1, max_length = 262144, example = "Add a --json flag to the list command")]
    prompt: String,
    /// The branch to start from; the default branch when left out.
    #[schema(example = json!(null))]
    base_branch: Option<String>,
    /// The model; the service's own choice when left out.
    #[schema(example = json!(null))]
    model: Option<String>,
    /// What a run may use.
    limits: Option<CodeLimits>,
    /// Whether the work waits until a person has approved the plan.
    #[serde(default)]
    require_plan_approval: bool,
    /// Whether a pull request is opened; false leaves it at the branch. True when left out.
    auto_create_pr: Option<bool>,
    /// Whether the pull request is always a draft.
    #[serde(default)]
    draft: bool,
}

/// What a run may use; what is left out has its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CodeLimits {
    /// Replies of the model. 100 when left out.
    #[schema(minimum = 1, maximum = 1000, example = 40)]
    max_turns: Option<u32>,
    /// Dollars: more than 0, at most 1,000. 5 when left out.
    #[schema(maximum = 1000, example = 2.5)]
    max_cost_usd: Option<f64>,
    /// Minutes at work; waiting for a person does not count. 60 when left out.
    #[schema(minimum = 1, maximum = 1440, example = 30)]
    max_minutes: Option<u32>,
}

/// How a stream shows the session.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CodeQuery {
    /// The form of the stream.
    #[serde(default)]
    format: Format,
    /// Whether text is shown while it is written. On this stream false when left out: many read it line by line.
    #[serde(default)]
    deltas: bool,
}

/// Starts a session: a repository and a prompt go in, a pull request comes out.
///
/// Answers with a stream of what happens until the run is over, or at once with the session for `Accept: application/json`
/// or `Prefer: respond-async`. A stream may end before the run does: its last frame is then a `resume` with the address where
/// it goes on. A client that goes away costs the session nothing.
///
/// With an `Idempotency-Key` the same request may be sent again: it is answered with the same session, and with the header
/// `Idempotent-Replayed: true`. Another request with the same key is refused with 409.
#[utoipa::path(
    post, path = "/code", tag = "sessions", params(
        CodeQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
        ("Prefer" = Option<String>, Header, description = "`respond-async` answers at once with the session"),
    ),
    request_body(content = CodeRequest, example = json!({
        "repoUrl": "https://github.com/owner/repository", "prompt": "Add a --json flag to the list command"
    })),
    responses(
        (status = 200, description = "A stream of frames", content_type = "text/event-stream", body = String),
        (status = 202, description = "The session, for who prefers not to wait", body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn code(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<CodeQuery>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CodeRequest>,
) -> Result<Response, ApiError> {
    let key = idempotency_key(&headers)?;
    let request = draft(body, api.admission.max_cost).check(&api.admission.model)?;
    let setup = api.admission.setup.clone().map_err(|reason| ApiError::new(Code::Unavailable, reason))?;
    let streams = !prefers_json(&headers) && !wants_no_wait(&headers);
    // Where there is no place for the stream nothing is started either: who is refused may ask again.
    let slot = if streams { Some(stream::place(&api, &caller)?) } else { None };
    let owner = caller.principal.clone();
    let started = start(&api.services, Start { owner, request, setup, key }).await?;
    let session = started.session.id;
    let mut response = match slot {
        Some(slot) => {
            let deltas = if query.deltas { Deltas::Shown } else { Deltas::Left };
            stream::open(&api, slot, &session, Wanted { after: Seq(0), format: query.format, deltas })
        }
        None => {
            let log = SessionLog::open(Arc::clone(&api.services.event_log), Arc::clone(&api.services.clock), &session)
                .await?;
            (StatusCode::ACCEPTED, Json(SessionView::of(log.state()))).into_response()
        }
    };
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/sessions/{session}")) {
        headers.insert(LOCATION, location);
    }
    if started.origin == Origin::Replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().and_then(|text| text.parse().ok());
    key.map(Some).ok_or_else(|| ApiError::invalid("Idempotency-Key has to be 1 to 255 visible ASCII characters"))
}

fn draft(body: CodeRequest, max_cost: Option<MicroDollars>) -> UncheckedRequest {
    let own = body.limits.unwrap_or(CodeLimits { max_turns: None, max_cost_usd: None, max_minutes: None });
    UncheckedRequest {
        repo_url: body.repo_url,
        prompt: body.prompt,
        base_branch: body.base_branch,
        model: body.model,
        limits: Some(UncheckedLimits {
            max_turns: own.max_turns,
            max_cost_usd: own.max_cost_usd.or(max_cost.map(MicroDollars::as_dollars)),
            max_minutes: own.max_minutes,
        }),
        require_plan_approval: body.require_plan_approval,
        auto_create_pr: body.auto_create_pr,
        draft: body.draft,
    }
}
