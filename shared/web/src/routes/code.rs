//! `POST /code`: from a prompt to a pull request.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::commands::{Origin, Start, start};
use domain::{MicroDollars, Seq, UncheckedRequest};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::access::Caller;
use crate::body::{JsonBody, Query};
use crate::error::{ApiError, Code};
use crate::idempotency::RequestKey;
use crate::negotiation::{prefers_async, prefers_json};
use crate::stream::{Deltas, Format, StreamOptions};
use crate::view::SessionView;

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What the agent should do.
///
/// Only the schema of the body: it is parsed as an [`UncheckedRequest`], which has the same fields. The schema takes names and
/// defaults from serde's attributes.
#[derive(Deserialize, ToSchema)]
#[schema(description = "What the agent should do.")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "it is only a schema in the document")]
pub(crate) struct CodeRequest {
    /// The repository: an `http(s)` or `ssh` address without credentials. A service on your machine also accepts a path.
    #[schema(min_length = 1, max_length = 2048, example = "https://github.com/owner/repository")]
    repo_url: String,
    /// What the agent should do. At most 262,144 bytes.
    #[schema(min_length = 1, max_length = 262144, example = "Add a --json flag to the list command")]
    prompt: String,
    /// The branch to start from. Default: the repository's default branch.
    #[schema(example = json!(null))]
    base_branch: Option<String>,
    /// The model. Default: the service's.
    #[schema(example = json!(null))]
    model: Option<String>,
    limits: Option<CodeLimits>,
    /// Whether the agent waits for a user to approve its plan before it starts to work. Default: false.
    #[serde(default)]
    require_plan_approval: bool,
    /// Whether a pull request is opened for the published branch. Default: true.
    auto_create_pr: Option<bool>,
    /// Whether the pull request is a draft even if its checks passed. Default: false.
    #[serde(default)]
    draft: bool,
    /// What commands in the sandbox reach. Default: the service's, usually none.
    #[schema(example = json!(null))]
    network: Option<SandboxNetwork>,
}

/// What commands in a sandbox reach over the network: nothing, package registries, or every host by HTTP and HTTPS. Never the
/// service's own machine and its neighbours.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SandboxNetwork {
    None,
    Registries,
    Open,
}

/// Limits of a run. When one is reached, the session asks its user whether to continue.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "it is only a schema in the document")]
pub(crate) struct CodeLimits {
    /// Replies of the model. Default: 100.
    #[schema(minimum = 1, maximum = 1000, example = 40)]
    max_turns: Option<u32>,
    /// Dollars: more than 0, at most 1,000. Default: the service's, or 5.
    #[schema(maximum = 1000, example = 2.5)]
    max_cost_usd: Option<f64>,
    /// Minutes of work, without the time that the session waits for its user. Default: 60.
    #[schema(minimum = 1, maximum = 1440, example = 30)]
    max_minutes: Option<u32>,
}

/// Selects the format of the stream.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CodeQuery {
    /// The format of the stream.
    #[serde(default)]
    format: Format,
    /// Whether the stream shows text while the model writes it. Default on this stream: false, since many clients read it line by
    /// line.
    #[serde(default)]
    deltas: bool,
}

/// Starts a session: a repository and a prompt go in, a pull request comes out.
///
/// Responds with a stream of the session's events until the run is over, or for `Accept: application/json` or
/// `Prefer: respond-async` at once with the session. A stream may end before the run: then its last frame is a `resume` with the URL
/// at which it continues. The session continues when the client disconnects.
///
/// With an `Idempotency-Key` a request can be repeated: the repeated request gets the same session, with the header
/// `Idempotent-Replayed: true`. Another request with the same key is refused with 409.
#[utoipa::path(
    post, path = "/code", tag = "sessions", params(
        CodeQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: respond at once with the session"),
    ),
    request_body(content = CodeRequest, example = json!({
        "repoUrl": "https://github.com/owner/repository", "prompt": "Add a --json flag to the list command"
    })),
    responses(
        (status = 200, description = "A stream of frames", content_type = "text/event-stream", body = String),
        (status = 202, description = "The session, for clients that do not wait for its events", body = SessionView),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn code(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<CodeQuery>,
    RequestKey(key): RequestKey,
    headers: HeaderMap,
    JsonBody(mut request): JsonBody<UncheckedRequest>,
) -> Result<Response, ApiError> {
    let defaults = &api.session_defaults;
    let limits = request.limits.get_or_insert_default();
    limits.max_cost_usd = limits.max_cost_usd.or(defaults.max_cost.map(MicroDollars::as_dollars));
    let request = request.check(&defaults.model, defaults.network)?;
    let setup = defaults.setup.clone().map_err(|reason| ApiError::new(Code::Unavailable, reason))?;
    let streams = !prefers_json(&headers) && !prefers_async(&headers);
    // Before the session is started, so that a request which is refused a stream can be repeated.
    let slot = if streams { Some(api.streams.acquire_slot(&caller.principal)?) } else { None };
    let owner = caller.principal.clone();
    let started = start(&api.services, Start { owner, request, setup, key }).await?;
    let session = started.session.id;
    let mut response = match slot {
        Some(slot) => {
            let deltas = if query.deltas { Deltas::Include } else { Deltas::Omit };
            api.streams.open(slot, &session, StreamOptions { after: Seq(0), format: query.format, deltas })
        }
        None => {
            let log = api.services.logs().open(&session).await?;
            (StatusCode::ACCEPTED, Json(SessionView::new(log.state())?)).into_response()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::UncheckedLimits;
    use serde_json::Value;
    use utoipa::PartialSchema;

    use super::*;

    fn documented<T: PartialSchema>() -> BTreeSet<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn parsed(value: &impl serde::Serialize) -> BTreeSet<String> {
        let Value::Object(fields) = serde_json::to_value(value).unwrap() else { panic!("not an object") };
        fields.keys().cloned().collect()
    }

    #[test]
    fn the_documented_body_has_the_fields_that_are_parsed() {
        assert_eq!(documented::<CodeRequest>(), parsed(&UncheckedRequest::default()));
        assert_eq!(documented::<CodeLimits>(), parsed(&UncheckedLimits::default()));
    }
}
