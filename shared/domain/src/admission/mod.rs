//! Admission: who may run, who is queued, what is reserved.
//!
//! Three parts, all of them pure: [`Counters`] hold what a principal's reservations add up to and say what a quota allows,
//! [`Reservation`] is the place of one run, and [`next`] says what is to be done for a run. The commands perform the actions
//! (`commands/admission`), and nobody else starts or releases a run.

mod counters;
mod next;
mod reservation;

pub use counters::{Counters, MAX_QUEUE, NotAdmitted};
pub use next::{Action, Ending, MAX_QUEUE_TIME, ORPHANED, Stage, View, next};
pub use reservation::{Place, Reservation, ReservationChange};
