//! What a run may use and has used. Derived from the log, so a crash cannot lose a reservation.

use std::collections::HashMap;
use std::time::Duration;

use crate::{BudgetExtended, CallKey, Limits, MicroDollars};

/// The budget of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget {
    limits: Limits,
    turns: u32,
    settled: MicroDollars,
    reserved: HashMap<CallKey, MicroDollars>,
    active: Duration,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What the run may use, extensions included.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Turns used.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    /// Time in which a step was at work.
    pub fn active(&self) -> Duration {
        self.active
    }

    /// Money spent. A reservation that was never settled counts in full: the call may have been billed.
    pub fn spent(&self) -> MicroDollars {
        self.settled + self.reserved.values().copied().sum()
    }

    /// Money left.
    pub fn left(&self) -> MicroDollars {
        self.limits.max_cost.saturating_sub(self.spent())
    }

    /// Whether a further turn that may cost `worst_case` is within all limits; if not, which one is reached.
    pub fn allows(&self, worst_case: MicroDollars) -> Result<(), String> {
        let limits = self.limits;
        if self.turns >= limits.max_turns {
            return Err(format!("all {} turns are used", limits.max_turns));
        }
        if self.active >= Duration::from_secs(u64::from(limits.max_minutes) * 60) {
            return Err(format!("all {} active minutes are used", limits.max_minutes));
        }
        if worst_case > self.left() {
            let (left, most) = (self.left(), limits.max_cost);
            return Err(format!("{left} of {most} are left, and the next reply may cost {worst_case}"));
        }
        Ok(())
    }

    pub(crate) fn count_turn(&mut self) {
        self.turns += 1;
    }

    pub(crate) fn reserve(&mut self, call: CallKey, amount: MicroDollars) {
        self.reserved.insert(call, amount);
    }

    pub(crate) fn settle(&mut self, call: CallKey, cost: MicroDollars) {
        // Settling twice is one settlement: a second attempt may find the reply and settle it again.
        if self.reserved.remove(&call).is_some() {
            self.settled += cost;
        }
    }

    pub(crate) fn extend(&mut self, more: BudgetExtended) {
        self.limits.max_turns = self.limits.max_turns.saturating_add(more.turns);
        self.limits.max_cost += more.cost;
        self.limits.max_minutes = self.limits.max_minutes.saturating_add(more.minutes);
    }

    pub(crate) fn work(&mut self, time: Duration) {
        self.active += time;
    }
}
