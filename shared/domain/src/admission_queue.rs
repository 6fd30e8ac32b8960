//! The admission queue of a principal: active runs, queued runs, and what the current day has cost.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{ExecutionName, MicroDollars, Quota, RunNumber, SessionId};

/// Maximum queued runs of a principal. The queue is part of the principal's account, which is written as a whole.
pub const MAX_QUEUE: usize = 100;

/// An admitted run, active or queued, with its reserved worst-case cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    pub session: SessionId,
    pub run: RunNumber,
    /// What the run may cost at most: the limit of its budget.
    pub reserved: MicroDollars,
    /// When it was admitted.
    pub at: Timestamp,
}

impl Reservation {
    fn is_for(&self, execution: &ExecutionName) -> bool {
        self.session == execution.session && self.run == execution.run
    }

    pub fn execution(&self) -> ExecutionName {
        ExecutionName { session: self.session.clone(), run: self.run }
    }
}

/// Whether an admitted run starts at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It has a slot.
    Now,
    /// It starts when earlier runs of its principal are over.
    Queued,
}

/// Why a run was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The principal's quota does not include the repository.
    #[error("{0} is not among the repositories that this principal may work on")]
    Repository(String),
    /// The worst case exceeds what is left of the daily limit.
    #[error(
        "{left} of the daily limit of {limit} are neither spent nor reserved, and this run may cost {wanted}: ask for a lower \
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

/// The runs of a principal that are admitted and not over, and what the day has cost.
///
/// The worst-case cost of a run is reserved when it is admitted and settled when it is over. So the daily limit holds
/// however many sessions start at once: what a run costs is known only when it is over, and by then it is too late to refuse
/// it. A run is charged to the day (UTC) on which it is settled.
///
/// The queue is first in, first out: a run is never overtaken, so it starts after finitely many others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionQueue {
    /// The day (UTC) of `spent`.
    day: Option<Date>,
    /// Cost of the runs that were settled on `day`.
    spent: MicroDollars,
    /// Runs that have a slot.
    active: Vec<Reservation>,
    /// Oldest first.
    queued: Vec<Reservation>,
}

impl AdmissionQueue {
    /// Runs that have a slot.
    pub fn active(&self) -> &[Reservation] {
        &self.active
    }

    /// Runs that wait for a slot, oldest first.
    pub fn queued(&self) -> &[Reservation] {
        &self.queued
    }

    /// Cost of the runs that were settled on the day of `now`.
    pub fn spent(&self, now: Timestamp) -> MicroDollars {
        if self.day == Some(day(now)) { self.spent } else { MicroDollars(0) }
    }

    /// What is spent on the day of `now`, and what is reserved.
    pub fn committed(&self, now: Timestamp) -> MicroDollars {
        self.spent(now) + self.active.iter().chain(&self.queued).map(|reservation| reservation.reserved).sum()
    }

    /// Whether a run is active or queued; none for a run without a reservation.
    pub fn admission(&self, execution: &ExecutionName) -> Option<Admitted> {
        if self.active.iter().any(|reservation| reservation.is_for(execution)) {
            return Some(Admitted::Now);
        }
        self.queued.iter().any(|reservation| reservation.is_for(execution)).then_some(Admitted::Queued)
    }

    /// Admits a run: to a free slot, or to the end of the queue. A run that was admitted before stays as it is, so the call
    /// can be repeated after a crash.
    pub fn admit(&mut self, quota: &Quota, reservation: Reservation, now: Timestamp) -> Result<Admitted, NotAdmitted> {
        if let Some(admitted) = self.admission(&reservation.execution()) {
            return Ok(admitted);
        }
        self.check_cost(quota, reservation.reserved, now)?;
        // Also with a free slot, earlier runs go first: a slot may be free because nobody has called `promote` yet.
        if self.has_free_slot(quota) && self.queued.is_empty() {
            self.active.push(reservation);
            return Ok(Admitted::Now);
        }
        if self.queued.len() >= MAX_QUEUE {
            return Err(NotAdmitted::QueueFull);
        }
        self.queued.push(reservation);
        Ok(Admitted::Queued)
    }

    /// Enqueues a run that was admitted before and has lost its reservation. Its cost is not checked again: the run exists.
    pub fn enqueue(&mut self, reservation: Reservation) {
        if self.admission(&reservation.execution()).is_none() {
            self.queued.push(reservation);
        }
    }

    /// Raises what is reserved for a run, within the daily limit.
    pub fn raise(
        &mut self,
        quota: &Quota,
        execution: &ExecutionName,
        more: MicroDollars,
        now: Timestamp,
    ) -> Result<(), NotAdmitted> {
        self.check_cost(quota, more, now)?;
        let reservation =
            self.active.iter_mut().chain(&mut self.queued).find(|reservation| reservation.is_for(execution));
        if let Some(reservation) = reservation {
            reservation.reserved += more;
        }
        Ok(())
    }

    /// Undoes [`AdmissionQueue::raise`].
    pub fn lower(&mut self, execution: &ExecutionName, less: MicroDollars) {
        if let Some(reservation) =
            self.active.iter_mut().chain(&mut self.queued).find(|reservation| reservation.is_for(execution))
        {
            reservation.reserved = reservation.reserved.saturating_sub(less);
        }
    }

    /// Removes a run that is over and charges `cost` to the day of `now`. A run without a reservation changes nothing, so
    /// settling twice charges once.
    pub fn settle(&mut self, execution: &ExecutionName, cost: MicroDollars, now: Timestamp) {
        let before = self.active.len() + self.queued.len();
        self.active.retain(|reservation| !reservation.is_for(execution));
        self.queued.retain(|reservation| !reservation.is_for(execution));
        if self.active.len() + self.queued.len() < before {
            self.spent = self.spent(now) + cost;
            self.day = Some(day(now));
        }
    }

    /// Moves queued runs to free slots, oldest first. Returns those that were moved; the caller starts their workflows.
    pub fn promote(&mut self, quota: &Quota) -> Vec<ExecutionName> {
        let mut promoted = Vec::new();
        while !self.queued.is_empty() && self.has_free_slot(quota) {
            let reservation = self.queued.remove(0);
            promoted.push(reservation.execution());
            self.active.push(reservation);
        }
        promoted
    }

    fn has_free_slot(&self, quota: &Quota) -> bool {
        quota.max_concurrent_sessions.is_none_or(|max| self.active.len() < max as usize)
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
