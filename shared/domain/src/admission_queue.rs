//! Which runs of a principal are at work, which wait for a place, and what its day has cost.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{ExecutionName, MicroDollars, Quota, RunNumber, SessionId};

/// The most runs of a principal that wait for a place.
pub const MAX_QUEUE: usize = 100;

/// A run that is at work or waits for a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Its session.
    pub session: SessionId,
    /// Its number.
    pub run: RunNumber,
    /// The most it may cost.
    pub reserved: MicroDollars,
    /// When it was admitted.
    pub at: Timestamp,
}

impl Reservation {
    fn is(&self, execution: &ExecutionName) -> bool {
        self.session == execution.session && self.run == execution.run
    }

    /// The execution it stands for.
    pub fn execution(&self) -> ExecutionName {
        ExecutionName { session: self.session.clone(), run: self.run }
    }
}

/// Whether an admitted run begins at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It does.
    Now,
    /// It waits until another run of its principal is over.
    Queued,
}

/// Why a run was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The principal may not work on the repository.
    #[error("{0} is not among the repositories that this principal may work on")]
    Repository(String),
    /// The day's money would not be enough for the worst case.
    #[error(
        "of the daily limit of {limit} {left} are neither spent nor set aside; this run may cost {wanted}: ask for a lower \
         limits.maxCostUsd, or try again after {resets_at}"
    )]
    DailyCost {
        /// The limit.
        limit: MicroDollars,
        /// What is left of it.
        left: MicroDollars,
        /// What was asked for.
        wanted: MicroDollars,
        /// When the next day begins.
        resets_at: Timestamp,
    },
    /// Too many runs wait already.
    #[error("{MAX_QUEUE} runs of this principal wait already")]
    QueueFull,
}

/// The ledger of a principal.
///
/// What a run may cost at the most is set aside when it is admitted and settled when it is over, so that the daily limit
/// holds however many sessions start at once. A run counts on the day it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionQueue {
    /// The day that `spent` is for.
    day: Option<Date>,
    /// What the runs that ended on that day have cost.
    spent: MicroDollars,
    /// Runs at work.
    active: Vec<Reservation>,
    /// Runs that wait, oldest first.
    queued: Vec<Reservation>,
}

impl AdmissionQueue {
    /// Runs at work.
    pub fn active(&self) -> &[Reservation] {
        &self.active
    }

    /// Runs that wait for a place, oldest first.
    pub fn queued(&self) -> &[Reservation] {
        &self.queued
    }

    /// What runs that ended on the day of `now` have cost.
    pub fn spent(&self, now: Timestamp) -> MicroDollars {
        if self.day == Some(day(now)) { self.spent } else { MicroDollars(0) }
    }

    /// What is spent or set aside on the day of `now`.
    pub fn committed(&self, now: Timestamp) -> MicroDollars {
        self.spent(now) + self.active.iter().chain(&self.queued).map(|reservation| reservation.reserved).sum()
    }

    /// Whether a run begins, waits, or is not known.
    pub fn standing(&self, execution: &ExecutionName) -> Option<Admitted> {
        if self.active.iter().any(|reservation| reservation.is(execution)) {
            return Some(Admitted::Now);
        }
        self.queued.iter().any(|reservation| reservation.is(execution)).then_some(Admitted::Queued)
    }

    /// Admits a run. One that is admitted already stays what it is.
    pub fn admit(&mut self, quota: &Quota, reservation: Reservation, now: Timestamp) -> Result<Admitted, NotAdmitted> {
        if let Some(standing) = self.standing(&reservation.execution()) {
            return Ok(standing);
        }
        self.check_cost(quota, reservation.reserved, now)?;
        if self.has_slot(quota) && self.queued.is_empty() {
            self.active.push(reservation);
            return Ok(Admitted::Now);
        }
        if self.queued.len() >= MAX_QUEUE {
            return Err(NotAdmitted::QueueFull);
        }
        self.queued.push(reservation);
        Ok(Admitted::Queued)
    }

    /// Puts a run in line whose admission is not asked for.
    pub fn join(&mut self, reservation: Reservation) {
        if self.standing(&reservation.execution()).is_none() {
            self.queued.push(reservation);
        }
    }

    /// Lets a run cost more.
    pub fn extend(
        &mut self,
        quota: &Quota,
        execution: &ExecutionName,
        more: MicroDollars,
        now: Timestamp,
    ) -> Result<(), NotAdmitted> {
        self.check_cost(quota, more, now)?;
        let reservation = self.active.iter_mut().chain(&mut self.queued).find(|reservation| reservation.is(execution));
        if let Some(reservation) = reservation {
            reservation.reserved += more;
        }
        Ok(())
    }

    /// Takes back what a run was let to cost more.
    pub fn shrink(&mut self, execution: &ExecutionName, less: MicroDollars) {
        if let Some(reservation) =
            self.active.iter_mut().chain(&mut self.queued).find(|reservation| reservation.is(execution))
        {
            reservation.reserved = reservation.reserved.saturating_sub(less);
        }
    }

    /// Takes a run out that is over and cost `cost`. A run that is not there any more changes nothing.
    pub fn settle(&mut self, execution: &ExecutionName, cost: MicroDollars, now: Timestamp) {
        let before = self.active.len() + self.queued.len();
        self.active.retain(|reservation| !reservation.is(execution));
        self.queued.retain(|reservation| !reservation.is(execution));
        if self.active.len() + self.queued.len() < before {
            self.spent = self.spent(now) + cost;
            self.day = Some(day(now));
        }
    }

    /// Gives free places to runs that wait. Returns those that begin now.
    pub fn promote(&mut self, quota: &Quota) -> Vec<ExecutionName> {
        let mut begin = Vec::new();
        while !self.queued.is_empty() && self.has_slot(quota) {
            let reservation = self.queued.remove(0);
            begin.push(reservation.execution());
            self.active.push(reservation);
        }
        begin
    }

    fn has_slot(&self, quota: &Quota) -> bool {
        quota.max_concurrent_sessions.is_none_or(|most| self.active.len() < most as usize)
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
