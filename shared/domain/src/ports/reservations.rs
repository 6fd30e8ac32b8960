//! The port to the reservations of runs.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::admission::{Counters, Place, Reservation, ReservationChange};
use crate::{ExecutionName, Principal, SessionId, Unavailable};

/// The reservations of runs, and the counters of their principals.
///
/// # Contract
/// - **Callers may rely on** every read seeing every commit that has returned, and on a reservation and its principal's counters
///   changing together or not at all.
/// - **An implementation must** commit a change only if the stored counters still have the version that the change names, and
///   the stored reservation is still `before` (for none: there is no reservation of this run, settled ones included). Nothing
///   that every request writes may be part of it: each principal has counters of its own, and each run its own reservation.
/// - **After a crash** during `commit` the change is made completely or not at all; reading the reservation tells.
#[async_trait]
pub trait Reservations: Send + Sync {
    /// The counters of a principal; all zero when it never had a reservation.
    async fn counters(&self, principal: &Principal) -> Result<Counters, Unavailable>;

    /// The reservation of a run, settled ones included.
    async fn reservation(&self, execution: &ExecutionName) -> Result<Option<Reservation>, Unavailable>;

    /// At most `limit` reservations of a principal in this place, in the order of their tickets.
    async fn in_place(
        &self,
        principal: &Principal,
        place: Place,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable>;

    /// At most `limit` reservations of all principals that are not settled and were made before `before`, after `after` in the
    /// order of their executions. `reconcile` finds through them what crashed between two systems.
    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<&ExecutionName>,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable>;

    /// Commits a change. False when something else was committed since the counters or the reservation were read: nothing was
    /// written, and the caller has to read both again.
    async fn commit(&self, change: &ReservationChange) -> Result<bool, Unavailable>;

    /// Removes the settled reservations of a session that is deleted.
    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable>;
}
