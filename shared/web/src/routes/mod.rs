//! The routes, one file per resource.

mod code;
mod diff;
mod documents;
mod events;
mod front;
mod health;
mod ownership;
mod sessions;
mod steering;
mod tokens;

use axum::Router;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;

/// All routes, with the document that describes them.
pub(crate) fn all() -> Router<Api> {
    let (routes, document) = OpenApiRouter::with_openapi(documents::Document::openapi())
        .routes(routes!(code::code))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::show, sessions::delete))
        .routes(routes!(events::events))
        .routes(routes!(diff::diff))
        .routes(routes!(steering::message))
        .routes(routes!(steering::approve))
        .routes(routes!(steering::reject))
        .routes(routes!(steering::extend))
        .routes(routes!(steering::cancel))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(health::health))
        .split_for_parts();
    routes.route("/", axum::routing::get(front::front)).merge(documents::documents(document))
}
