//! What a run may use and has used. Derived from the log, so a crash cannot lose a reservation.

use std::time::Duration;

use crate::{BudgetExtended, BudgetLimit, CallKey, Limits, MicroDollars};

/// The budget of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget {
    limits: Limits,
    turns: u32,
    settled: MicroDollars,
    /// Of calls whose price is not known.
    reserved: Vec<(CallKey, MicroDollars)>,
    last_reserved: MicroDollars,
    active: Duration,
}

/// A limit that stands in the way of a further turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub limit: BudgetLimit,
    /// The same in a sentence.
    pub sentence: String,
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
        self.settled + self.reserved.iter().map(|(_, amount)| *amount).sum()
    }

    /// Money left.
    pub fn left(&self) -> MicroDollars {
        self.limits.max_cost.saturating_sub(self.spent())
    }

    /// Whether a further turn that may cost `worst_case` is within all limits; if not, which one is reached.
    pub fn allows(&self, worst_case: MicroDollars) -> Result<(), Reached> {
        let limits = self.limits;
        let reached = |limit, sentence| Err(Reached { limit, sentence });
        if self.turns >= limits.max_turns {
            return reached(BudgetLimit::Turns, format!("all {} turns are used", limits.max_turns));
        }
        if self.active >= minutes(limits.max_minutes) {
            return reached(BudgetLimit::Minutes, format!("all {} active minutes are used", limits.max_minutes));
        }
        if worst_case > self.left() {
            let (left, most) = (self.left(), limits.max_cost);
            let sentence = format!("{left} of {most} are left, and the next reply may cost {worst_case}");
            return reached(BudgetLimit::Cost, sentence);
        }
        Ok(())
    }

    /// The limits that are near, with what is left of each in a sentence: four fifths are used, or two more turns fit.
    pub fn nearing(&self) -> Vec<(BudgetLimit, String)> {
        let limits = self.limits;
        let mut near = Vec::new();
        if self.allows(self.last_reserved).is_err() {
            // It is not near any more.
            return near;
        }
        let turns = limits.max_turns.saturating_sub(self.turns);
        if turns <= (limits.max_turns / 5).max(2) {
            near.push((BudgetLimit::Turns, format!("{turns} of {} turns are left", limits.max_turns)));
        }
        // What a reply may cost has to be there before it is asked for, however little it costs in the end.
        let (left, most) = (self.left(), limits.max_cost);
        if left.0 <= most.0 / 5 || left.0 < self.last_reserved.0.saturating_mul(2) {
            near.push((BudgetLimit::Cost, format!("{left} of {most} are left")));
        }
        let (used, most) = (self.active, minutes(limits.max_minutes));
        if used >= most * 4 / 5 {
            let left = most.saturating_sub(used).as_secs().div_ceil(60);
            near.push((BudgetLimit::Minutes, format!("{left} of {} active minutes are left", limits.max_minutes)));
        }
        near
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
        // Settling twice is one settlement: a second attempt may find the reply and settle it again.
        if let Some(place) = self.reserved.iter().position(|(reserved, _)| *reserved == call) {
            self.reserved.remove(place);
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

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(u64::from(minutes) * 60)
}
