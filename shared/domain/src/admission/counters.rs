//! What the reservations of a principal add up to, and what its quota allows on top.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Place, Reservation, ReservationChange};
use crate::{ExecutionName, MicroDollars, Principal, Quota};

/// Maximum queued runs of a principal.
pub const MAX_QUEUE: u32 = 100;

/// Why a run was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The principal's quota does not include the repository.
    #[error("{0} is not among the repositories that this principal may work on")]
    Repository(String),
    /// The worst case exceeds what is left of the daily limit.
    #[error(
        "{left} of the daily {limit} are neither spent nor reserved, and this run may cost {wanted}: ask for a lower \
         limits.maxCostUsd, or try again after {resets_at}"
    )]
    DailyCost {
        limit: MicroDollars,
        left: MicroDollars,
        wanted: MicroDollars,
        /// The next midnight, UTC.
        resets_at: Timestamp,
    },
    /// [`MAX_QUEUE`] is reached.
    #[error("{MAX_QUEUE} runs of this principal are queued already; try again when some of them are over")]
    QueueFull,
}

/// The counters of a principal: what its reservations add up to, and what the current day has cost.
///
/// The worst-case cost of a run is reserved when it is admitted and settled when it is over. So the daily limit holds
/// however many sessions start at once: what a run costs is known only when it is over, and by then it is too late to refuse
/// it. A run is charged to the day (UTC) on which it is settled.
///
/// The queue is first in, first out: a run is never overtaken, so it starts after finitely many others.
///
/// Every method is pure: it answers the change that is to be committed. The counters are written when a run is admitted, gets
/// its slot, reserves more or is settled, and by no other request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// The day (UTC) of `spent`.
    day: Option<Date>,
    /// Cost of the runs that were settled on `day`.
    spent: MicroDollars,
    /// Sum of the reservations of active and queued runs.
    reserved: MicroDollars,
    active: u32,
    queued: u32,
    /// The ticket of the next reservation.
    next_ticket: u64,
    /// Counts the writes, for the compare-and-set; 0 for counters that were never written.
    #[serde(skip)]
    pub version: u64,
}

impl Counters {
    /// Counters without reservations, of a day that has cost `spent`.
    pub fn of_day(day: Option<Date>, spent: MicroDollars) -> Self {
        Self { day, spent, ..Self::default() }
    }

    /// Adds a reservation without checking it: of a run that was admitted already.
    pub fn add(&self, reservation: Reservation) -> ReservationChange {
        self.change(None, Some(Reservation { ticket: self.next_ticket, ..reservation }))
    }

    /// Runs that have a slot.
    pub fn active(&self) -> u32 {
        self.active
    }

    /// Runs that wait for a slot.
    pub fn queued(&self) -> u32 {
        self.queued
    }

    /// What active and queued runs may cost.
    pub fn reserved(&self) -> MicroDollars {
        self.reserved
    }

    /// Cost of the runs that were settled on the day of `now`.
    pub fn spent(&self, now: Timestamp) -> MicroDollars {
        if self.day == Some(day(now)) { self.spent } else { MicroDollars(0) }
    }

    /// What is spent on the day of `now`, and what is reserved.
    pub fn committed(&self, now: Timestamp) -> MicroDollars {
        self.spent(now) + self.reserved
    }

    pub fn has_free_slot(&self, quota: &Quota) -> bool {
        quota.max_concurrent_sessions.is_none_or(|max| self.active < max)
    }

    /// Admits a new run: to a free slot, or to the end of the queue.
    ///
    /// # Errors
    /// [`NotAdmitted`] when the daily limit does not cover `reserved`, or the queue is full.
    pub fn admit(
        &self,
        quota: &Quota,
        principal: &Principal,
        execution: &ExecutionName,
        reserved: MicroDollars,
        now: Timestamp,
    ) -> Result<ReservationChange, NotAdmitted> {
        self.check_cost(quota, reserved, now)?;
        // Also with a free slot, earlier runs go first: a slot may be free because its next run has not taken it yet.
        let place = if self.has_free_slot(quota) && self.queued == 0 { Place::Active } else { Place::Queued };
        if place == Place::Queued && self.queued >= MAX_QUEUE {
            return Err(NotAdmitted::QueueFull);
        }
        let (execution, principal) = (execution.clone(), principal.clone());
        let after = Reservation { execution, principal, place, reserved, at: now, ticket: self.next_ticket };
        Ok(self.change(None, Some(after)))
    }

    /// Enqueues a run that is in its log and has no reservation any more. Nothing is checked again: the run exists.
    pub fn enqueue(&self, before: Option<Reservation>, run: Reservation) -> ReservationChange {
        self.change(before, Some(Reservation { place: Place::Queued, ticket: self.next_ticket, ..run }))
    }

    /// Gives a slot to a run that works without a reservation. Nothing is checked: it has the slot already.
    pub fn restore(&self, run: Reservation) -> ReservationChange {
        self.change(None, Some(Reservation { place: Place::Active, ticket: self.next_ticket, ..run }))
    }

    /// Makes a reservation as young as `now`, for a start that takes it over from one that crashed.
    pub fn renew(&self, reservation: Reservation, now: Timestamp) -> ReservationChange {
        let after = Reservation { at: now, ..reservation.clone() };
        self.change(Some(reservation), Some(after))
    }

    /// Gives a queued run a slot. The caller has checked that one is free and that the run is the first of the queue.
    pub fn promote(&self, reservation: Reservation) -> ReservationChange {
        let after = Reservation { place: Place::Active, ..reservation.clone() };
        self.change(Some(reservation), Some(after))
    }

    /// Raises what is reserved for a run to `to`; none when that much is reserved already.
    ///
    /// # Errors
    /// [`NotAdmitted::DailyCost`] when the daily limit does not cover the difference.
    pub fn raise(
        &self,
        quota: &Quota,
        reservation: Reservation,
        to: MicroDollars,
        now: Timestamp,
    ) -> Result<Option<ReservationChange>, NotAdmitted> {
        let more = to.saturating_sub(reservation.reserved);
        if more == MicroDollars(0) {
            return Ok(None);
        }
        self.check_cost(quota, more, now)?;
        let after = Reservation { reserved: to, ..reservation.clone() };
        Ok(Some(self.change(Some(reservation), Some(after))))
    }

    /// Settles the reservation of a run that is over and charges `cost` to the day of `now`.
    pub fn settle(&self, reservation: Reservation, cost: MicroDollars, now: Timestamp) -> ReservationChange {
        let after = Reservation { place: Place::Settled, ..reservation.clone() };
        let mut change = self.change(Some(reservation), Some(after));
        change.counters.spent = self.spent(now) + cost;
        change.counters.day = Some(day(now));
        change
    }

    /// Removes the reservation of a run that was never started.
    pub fn discard(&self, reservation: Reservation) -> ReservationChange {
        self.change(Some(reservation), None)
    }

    /// The counters with `before` taken out of them and `after` counted in.
    fn change(&self, before: Option<Reservation>, after: Option<Reservation>) -> ReservationChange {
        let mut counters = self.clone();
        if let Some(before) = &before
            && let Some(count) = counters.count(before.place)
        {
            *count = count.saturating_sub(1);
            counters.reserved = counters.reserved.saturating_sub(before.reserved);
        }
        if let Some(after) = &after {
            if let Some(count) = counters.count(after.place) {
                *count += 1;
                counters.reserved += after.reserved;
            }
            counters.next_ticket = counters.next_ticket.max(after.ticket + 1);
        }
        ReservationChange { counters, before, after }
    }

    /// The counter of the reservations in a place. Settled ones are not counted.
    fn count(&mut self, place: Place) -> Option<&mut u32> {
        match place {
            Place::Queued => Some(&mut self.queued),
            Place::Active => Some(&mut self.active),
            Place::Settled => None,
        }
    }

    fn check_cost(&self, quota: &Quota, wanted: MicroDollars, now: Timestamp) -> Result<(), NotAdmitted> {
        let Some(limit) = quota.max_daily_cost else { return Ok(()) };
        let left = limit.saturating_sub(self.committed(now));
        if wanted <= left {
            return Ok(());
        }
        let tomorrow = day(now).tomorrow().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok());
        let resets_at = tomorrow.map_or(now, |zoned| zoned.timestamp());
        Err(NotAdmitted::DailyCost { limit, left, wanted, resets_at })
    }
}

fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}
