//! Who may use the service, and under which names.

use domain::Principal;

/// Who may use the service, and from where.
#[derive(Debug, Clone)]
pub struct AccessPolicy {
    pub anonymous: AnonymousAccess,
    /// Host names that the service answers to. Refusing others protects against DNS rebinding: a web page cannot reach the
    /// service under a name of its own.
    pub hosts: Hosts,
    /// Other origins whose pages may use the service from a browser (`http://localhost:5173`).
    pub origins: Vec<String>,
}

/// What a request without a token may do.
#[derive(Debug, Clone)]
pub enum AnonymousAccess {
    /// It counts as a request of this principal, with the role of an admin. Only for listeners that nobody else can reach.
    As(Principal),
    /// It is refused.
    Refused,
}

/// Host names that the service answers to.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// Any: a proxy has checked the name, or the listener is a socket without one.
    Any,
    /// One of these, or a name or address of the loopback.
    LoopbackOr(Vec<String>),
}
