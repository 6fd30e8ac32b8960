//! `GET /health`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// `healthy`.
    #[schema(example = "healthy")]
    pub status: &'static str,
    /// The service's version.
    pub version: &'static str,
    /// Why no session can be started, if that is so.
    pub cannot_start: Option<String>,
}

/// Says that the service is there.
#[utoipa::path(
    get, path = "/health", tag = "service",
    responses((status = 200, body = Health), (status = "default", response = crate::routes::documents::Error)),
)]
pub(super) async fn health(State(api): State<Api>) -> Json<Health> {
    Json(Health {
        status: "healthy",
        version: env!("CARGO_PKG_VERSION"),
        cannot_start: api.admission.setup.as_ref().err().cloned(),
    })
}
