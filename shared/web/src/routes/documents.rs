//! `/openapi.json`, generated from the routes, and `/docs`.

use std::collections::BTreeMap;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::{HeaderValue, header};
use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoResponses, Modify, OpenApi, ToResponse};
use utoipa_swagger_ui::SwaggerUi;

use crate::Api;
use crate::error::{ErrorBody, ErrorContent};

/// The parts of the document that do not belong to a route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tiny Backspace",
        description = include_str!("documents.md"),
        license(name = "MIT", identifier = "MIT"),
    ),
    modifiers(&Bearer),
    components(responses(Error), schemas(ErrorBody, ErrorContent)),
    tags(
        (name = "sessions", description = "Start sessions, and see what they do."),
        (name = "steering", description = "Commands to a session."),
        (name = "tokens", description = "Access tokens and quotas. For admins."),
        (name = "service", description = "The service itself."),
    ),
    security((), ("bearer" = [])),
)]
pub(super) struct Document;

/// Why the request failed: a code for programs, a sentence for people, and the request's id.
#[derive(ToResponse)]
#[response(description = "The request failed", content_type = "application/json")]
#[expect(dead_code, reason = "it is only a schema in the document")]
pub(crate) struct Error(ErrorBody);

/// The statuses of errors. [`crate::Code`] documents what each means.
const ERRORS: [&str; 13] = ["400", "401", "403", "404", "405", "409", "413", "414", "415", "429", "431", "500", "503"];

/// The error responses of every route.
pub(crate) struct Errors;

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let error = || RefOr::Ref(Ref::from_response_name("Error"));
        ERRORS.iter().map(|status| ((*status).to_owned(), error())).collect()
    }
}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApiDocument) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        if let Some(components) = document.components.as_mut() {
            components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        }
    }
}

/// The routes of the documentation. Its pages and scripts are compiled in.
pub(super) fn documents(document: OpenApiDocument) -> Router<Api> {
    let pages: Router<Api> = SwaggerUi::new("/docs").url("/openapi.json", document).into();
    pages.layer(map_response(restrict_sources))
}

/// Allows the pages to load from and connect to this service only.
async fn restrict_sources(mut response: Response) -> Response {
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
