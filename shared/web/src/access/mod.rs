//! What every request passes on its way in and every answer on its way out.

mod guard;
mod principal;
mod request_id;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use domain::Principal;

pub use principal::Caller;

use crate::Api;

/// Who comes in, and from where.
#[derive(Debug, Clone)]
pub struct AccessPolicy {
    /// Who a request is from that shows no token.
    pub anonymous: AnonymousAccess,
    /// The names under which the service is reached; others are turned away, so that a name somebody else owns cannot be made to
    /// point here.
    pub hosts: Hosts,
    /// Pages of other origins that may use the service from a browser (`http://localhost:5173`).
    pub origins: Vec<String>,
}

/// Who a request is from that shows no token.
#[derive(Debug, Clone)]
pub enum AnonymousAccess {
    /// This principal, which may do everything with its own: the door itself is only open to the owner of the machine.
    As(Principal),
    /// Nobody: they are turned away.
    Refused,
}

/// The names under which a service is reached.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// Whatever it is called: something in front of it has looked at that, or it has no name at all.
    Any,
    /// One of these, or an address or name of this machine's loopback.
    LoopbackOr(Vec<String>),
}

/// Puts a door in front of routes. What is put into `routes` and not here is open to everybody.
pub(crate) fn close(routes: Router, api: &Api, policy: AccessPolicy) -> Router {
    let state = std::sync::Arc::new(policy);
    routes
        .layer(from_fn_with_state((api.clone(), std::sync::Arc::clone(&state)), principal::identify))
        .layer(from_fn_with_state(state, guard::guard))
        .layer(from_fn(request_id::catch_panics))
        .layer(from_fn_with_state(api.clone(), request_id::assign_request_id))
}
