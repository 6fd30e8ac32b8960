//! The budget of a run: its limits and what is used of them. Derived from the log, so a crash cannot lose a reservation.
//!
//! The worst-case cost of a call is reserved in the log before the call is made, because afterwards it may be too late: if the
//! process dies during the call, nobody knows whether the service billed it. A reservation that is never settled therefore
//! counts as spent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{BudgetExtended, BudgetLimit, CallKey, Limits, MicroDollars};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    limits: Limits,
    turns: u32,
    settled: MicroDollars,
    /// Calls whose cost is not known, each with its worst case.
    reserved: Vec<(CallKey, MicroDollars)>,
    last_reserved: MicroDollars,
    active: Duration,
}

/// The limit that does not allow another turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitReached {
    pub limit: BudgetLimit,
    /// The limit and what it is at, in a sentence for the user.
    pub sentence: String,
}

impl Budget {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The limits, extensions included.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Replies of the main conversation so far.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    /// Time in which a step ran; waiting for a person does not count.
    pub fn active(&self) -> Duration {
        self.active
    }

    /// What was spent. A reservation that was never settled counts in full, because the call may have been billed.
    pub fn spent(&self) -> MicroDollars {
        self.settled + self.reserved.iter().map(|(_, amount)| *amount).sum()
    }

    /// What is left of the cost limit.
    pub fn left(&self) -> MicroDollars {
        self.limits.max_cost.saturating_sub(self.spent())
    }

    /// Checks that another turn, which may cost `worst_case`, is within all limits.
    ///
    /// # Errors
    /// The first limit that is reached, or that the worst case would exceed.
    pub fn allows(&self, worst_case: MicroDollars) -> Result<(), LimitReached> {
        let limits = self.limits;
        let reached = |limit, sentence| Err(LimitReached { limit, sentence });
        if self.turns >= limits.max_turns {
            return reached(BudgetLimit::Turns, format!("all {} turns are used", limits.max_turns));
        }
        if let Some(reached) = self.minutes_used() {
            return Err(reached);
        }
        if worst_case > self.left() {
            let (left, max) = (self.left(), limits.max_cost);
            let sentence = format!("{left} of {max} are left, and the next reply may cost {worst_case}");
            return reached(BudgetLimit::Cost, sentence);
        }
        Ok(())
    }

    /// The limit of active minutes, when it is reached.
    pub fn minutes_used(&self) -> Option<LimitReached> {
        let max = self.limits.max_minutes;
        let sentence = format!("all {max} active minutes are used");
        (self.active >= minutes(max)).then_some(LimitReached { limit: BudgetLimit::Minutes, sentence })
    }

    /// The limits that are near, each with a sentence about what is left: four fifths are used, or there is room for two more
    /// turns at most. Empty once a limit is reached.
    pub fn nearing(&self) -> Vec<(BudgetLimit, String)> {
        let limits = self.limits;
        let mut near = Vec::new();
        if self.allows(self.last_reserved).is_err() {
            return near;
        }
        let turns = limits.max_turns.saturating_sub(self.turns);
        if turns <= (limits.max_turns / 5).max(2) {
            near.push((BudgetLimit::Turns, format!("{turns} of {} turns are left", limits.max_turns)));
        }
        // The worst case of a reply has to be left before it is requested, however little the reply costs in the end.
        let (left, max) = (self.left(), limits.max_cost);
        if left.0 <= max.0 / 5 || left.0 < self.last_reserved.0.saturating_mul(2) {
            near.push((BudgetLimit::Cost, format!("{left} of {max} are left")));
        }
        let (used, max) = (self.active, minutes(limits.max_minutes));
        if used >= max * 4 / 5 {
            let left = max.saturating_sub(used).as_secs().div_ceil(60);
            near.push((BudgetLimit::Minutes, format!("{left} of {} active minutes are left", limits.max_minutes)));
        }
        near
    }

    /// Whether the cost of a call is not known yet.
    pub fn is_reserved(&self, call: CallKey) -> bool {
        self.reserved.iter().any(|(reserved, _)| *reserved == call)
    }

    pub(crate) fn count_turn(&mut self) {
        self.turns += 1;
    }

    pub(crate) fn reserve(&mut self, call: CallKey, amount: MicroDollars) {
        self.reserved.retain(|(reserved, _)| *reserved != call);
        self.reserved.push((call, amount));
        self.last_reserved = amount;
    }

    pub(crate) fn settle(&mut self, call: CallKey, cost: MicroDollars) {
        // Settling twice counts once: a second attempt of the step may find the reply and settle the call again.
        if let Some(index) = self.reserved.iter().position(|(reserved, _)| *reserved == call) {
            self.reserved.remove(index);
            self.settled += cost;
        }
    }

    pub(crate) fn extend(&mut self, more: BudgetExtended) {
        self.limits.max_turns = self.limits.max_turns.saturating_add(more.turns);
        self.limits.max_cost += more.cost;
        self.limits.max_minutes = self.limits.max_minutes.saturating_add(more.minutes);
    }

    pub(crate) fn add_active(&mut self, time: Duration) {
        self.active += time;
    }
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(u64::from(minutes) * 60)
}
