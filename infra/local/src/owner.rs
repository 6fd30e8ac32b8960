//! The principal of the local user.

use domain::{InvalidId, Principal};

/// Owns every session that is started without a token.
pub(crate) const OWNER: &str = "local";

/// [`OWNER`], parsed.
pub(crate) fn owner() -> Result<Principal, InvalidId> {
    OWNER.parse()
}
