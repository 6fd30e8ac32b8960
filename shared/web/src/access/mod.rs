//! Access control: what every request passes on its way in, and every response on its way out.

mod guard;
mod policy;
mod principal;
mod request_id;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use domain::commands::Services;

pub use policy::{AccessPolicy, AnonymousAccess, Hosts};
pub use principal::Caller;

/// Applies an access policy to routes. A route that is not among `routes` is not protected.
///
/// A layer wraps those above it, so the last one sees a request first: a request gets its id, then a guard against panics,
/// then its headers are checked, and then its caller is identified.
pub(crate) fn protect(routes: Router, services: &Services, policy: AccessPolicy) -> Router {
    let policy = Arc::new(policy);
    routes
        .layer(from_fn_with_state((services.clone(), Arc::clone(&policy)), principal::identify))
        .layer(from_fn_with_state(policy, guard::guard))
        .layer(from_fn(request_id::catch_panics))
        .layer(from_fn_with_state(Arc::clone(&services.ids), request_id::assign_request_id))
}
