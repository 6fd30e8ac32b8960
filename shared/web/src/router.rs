//! All routes behind the access policy.

use axum::Router;

use crate::Api;
use crate::access::{self, AccessPolicy};
use crate::routes;

/// The routes of the service, behind an access policy. `more` are further routes of the caller's, behind the same policy.
pub fn router(api: &Api, policy: AccessPolicy, more: Router) -> Router {
    let routes = routes::all().with_state(api.clone()).merge(more);
    access::protect(routes, &api.services, policy)
}
