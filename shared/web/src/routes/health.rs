//! `GET /health`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;

/// The state of the service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// Always `healthy`: the service answers.
    #[schema(example = "healthy")]
    pub status: &'static str,
    pub version: &'static str,
    /// Why no session can be started; null when sessions can be started.
    pub cannot_start: Option<String>,
}

/// Reports whether the service is up.
#[utoipa::path(
    get, path = "/health", tag = "service",
    responses((status = 200, body = Health), (status = "default", response = crate::routes::documents::Error)),
)]
pub(super) async fn health(State(api): State<Api>) -> Json<Health> {
    Json(Health {
        status: "healthy",
        version: env!("CARGO_PKG_VERSION"),
        cannot_start: api.session_defaults.setup.as_ref().err().cloned(),
    })
}
