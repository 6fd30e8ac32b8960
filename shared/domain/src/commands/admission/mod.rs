//! Performs what admission decides ([`crate::admission::next`]): reserves for runs, starts them, completes and ends what a crash
//! left, and releases them.
//!
//! A run is reserved before it is in its log, and settled after its log says that it is over. A crash in between leaves a
//! reservation too many, never too few.

mod observe;
mod perform;

use std::time::Duration;

use crate::admission::{Action, NotAdmitted, Place, Reservation, ReservationChange};
use crate::ports::elapsed;
use crate::{
    Account, Dependency, Digest256, ExecutionName, MicroDollars, Principal, Quota, Role, SessionId, Unavailable,
};

use super::{CommandError, Services};

/// Age from which on a reservation is renewed by a start that finds it; far below the age at which it is discarded.
const RENEWED: Duration = Duration::from_secs(60);

/// Maximum attempts against other writers of the same principal or the same run.
pub(super) const MAX_ATTEMPTS: u32 = 50;

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was to be done, or only records were completed.
    InOrder,
    /// The run is queued.
    Queued,
    /// Its workflow was started.
    Started,
    /// Its waiting task was completed.
    Answered,
    /// Its last event was appended, because nothing else would have ended it.
    Ended,
}

/// Something that an action rests on was changed by somebody else: nothing was written.
struct Changed;

impl Services {
    /// The account of a principal. A principal without one has no limits: it is the local user, because access tokens are
    /// created together with an account.
    pub async fn account(&self, principal: &Principal) -> Result<Account, Unavailable> {
        let stored = self.accounts.account(principal).await?;
        Ok(stored.unwrap_or_else(|| Account::new(principal.clone(), Role::Member, Quota::default())))
    }

    /// Reserves a run's worst-case cost, and gives it a slot or queues it. May be repeated: the first reservation stands.
    ///
    /// # Errors
    /// [`CommandError::NotAdmitted`] when the principal's quota does not allow the run.
    pub(super) async fn reserve(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        repo_url: &str,
        reserved: MicroDollars,
    ) -> Result<Reservation, CommandError> {
        let quota = self.account(owner).await?.quota;
        if !quota.allows_repository(repo_url) {
            return Err(NotAdmitted::Repository(repo_url.to_owned()).into());
        }
        for attempt in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let existing = self.reservations.reservation(execution).await?;
            let counters = self.reservations.counters(owner).await?;
            let change = match existing {
                // Renewed, so that it is not discarded as abandoned while this start goes on.
                Some(existing) if existing.place != Place::Settled && elapsed(existing.at, now) > RENEWED => {
                    counters.renew(existing, now)
                }
                Some(existing) => return Ok(existing),
                None => counters.admit(&quota, owner, execution, reserved, now)?,
            };
            if self.commit(&change, execution, attempt).await?.is_ok()
                && let Some(reservation) = change.after
            {
                return Ok(reservation);
            }
        }
        Err(contended(execution).into())
    }

    /// Raises what is reserved for a run to `to`, within its principal's daily limit. A run without a reservation, or one that
    /// is over, reserves nothing.
    pub(super) async fn raise_reservation(
        &self,
        execution: &ExecutionName,
        to: MicroDollars,
    ) -> Result<(), CommandError> {
        for attempt in 0..MAX_ATTEMPTS {
            let Some(reservation) = self.reservations.reservation(execution).await? else { return Ok(()) };
            if reservation.place == Place::Settled {
                return Ok(());
            }
            let quota = self.account(&reservation.principal).await?.quota;
            let counters = self.reservations.counters(&reservation.principal).await?;
            let Some(change) = counters.raise(&quota, reservation, to, self.clock.now())? else { return Ok(()) };
            if self.commit(&change, execution, attempt).await?.is_ok() {
                return Ok(());
            }
        }
        Err(contended(execution).into())
    }

    /// Performs what is to be done for a run, until nothing is. May be called at any time, by any number of processes at once.
    ///
    /// It reads the log of the run's own session only. The runs that get the slots of a run that was released are started by
    /// [`Services::start_queued`].
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] when a port fails. What is left is done by the next call.
    pub async fn advance(&self, execution: &ExecutionName) -> Result<Progress, CommandError> {
        let mut progress = Progress::InOrder;
        for attempt in 0..MAX_ATTEMPTS {
            let mut observed = self.observe(execution).await?;
            if observed.actions.is_empty() {
                return Ok(if observed.is_queued() { Progress::Queued } else { progress });
            }
            let mut is_changed = false;
            for action in observed.actions.clone() {
                match self.perform(action, execution, &mut observed, attempt).await? {
                    Ok(None) => {}
                    Ok(Some(made)) => progress = made,
                    Err(Changed) => {
                        is_changed = true;
                        break;
                    }
                }
            }
            // These two lead to another state of the run, in which other actions may be due: a slot, the release.
            let decides_anew = matches!(observed.actions.last(), Some(Action::Enqueue | Action::End(_)));
            if !is_changed && !decides_anew {
                return Ok(if observed.is_queued() { Progress::Queued } else { progress });
            }
        }
        Err(contended(execution).into())
    }

    /// Starts the queued runs of a principal that can have a slot by now, oldest first. Reads the logs of these runs, so it is
    /// for the end of a run and for timers, not for requests.
    ///
    /// # Errors
    /// As [`Services::advance`].
    pub async fn start_queued(&self, owner: &Principal) -> Result<(), CommandError> {
        let quota = self.account(owner).await?.quota;
        let mut last = None;
        loop {
            let counters = self.reservations.counters(owner).await?;
            if counters.queued() == 0 || !counters.has_free_slot(&quota) {
                return Ok(());
            }
            let first = self.reservations.in_place(owner, Place::Queued, 1).await?.into_iter().next();
            // A run that stays the first is not in its log yet: the command that writes it starts it.
            let Some(first) = first.filter(|first| last.as_ref() != Some(&first.execution)) else { return Ok(()) };
            self.advance(&first.execution).await?;
            last = Some(first.execution);
        }
    }

    /// Advances the runs whose reservations are at least `age` old and not settled, as far as `skip` does not name their
    /// sessions. It finds what no record of a session leads to: a start that crashed before the record was written, and a run
    /// that is over and was not released. To be called at start and from time to time.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] when the reservations cannot be listed. A run that cannot be advanced is logged.
    pub async fn advance_outstanding(
        &self,
        age: Duration,
        skip: impl Fn(&SessionId) -> bool,
    ) -> Result<(), CommandError> {
        let before = self.clock.now() - age;
        let mut after = None;
        loop {
            let page = self.reservations.outstanding(before, after.as_ref(), OUTSTANDING_PAGE).await?;
            for reservation in page.iter().filter(|reservation| !skip(&reservation.execution.session)) {
                let advanced = async {
                    self.advance(&reservation.execution).await?;
                    self.start_queued(&reservation.principal).await
                };
                if let Err(error) = advanced.await {
                    let (run, error) = (&reservation.execution, crate::error_chain(&error));
                    tracing::warn!(%run, error, "the run could not be advanced");
                }
            }
            match page.last() {
                Some(last) if page.len() == OUTSTANDING_PAGE => after = Some(last.execution.clone()),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Commits a change. After a failure pauses for longer and longer, so that one of several writers gets through.
    async fn commit(
        &self,
        change: &ReservationChange,
        execution: &ExecutionName,
        attempt: u32,
    ) -> Result<Result<(), Changed>, Unavailable> {
        if self.reservations.commit(change).await? {
            return Ok(Ok(()));
        }
        self.clock.sleep(pause(execution, attempt)).await;
        Ok(Err(Changed))
    }

    /// For what a run is queued, in a sentence.
    pub(super) async fn queue_reason(&self, reservation: &Reservation) -> Result<Option<String>, Unavailable> {
        if reservation.place != Place::Queued {
            return Ok(None);
        }
        let owner = &reservation.principal;
        let holders = self.reservations.in_place(owner, Place::Active, MAX_NAMED_HOLDERS).await?;
        let names: Vec<&str> = holders.iter().map(|holder| holder.execution.session.as_str()).collect();
        let active = self.reservations.counters(owner).await?.active();
        let more = (active as usize).saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Ok(Some(format!("{owner} may have {active} active sessions, and has: {}{more}", names.join(", "))))
    }
}

/// Reservations per page of [`Services::advance_outstanding`].
const OUTSTANDING_PAGE: usize = 100;

/// Maximum sessions that the reason for queueing names.
const MAX_NAMED_HOLDERS: usize = 10;

/// Pause before another attempt: up to 20 ms, doubled with every attempt, up to a second. It depends on the run, so that writers
/// that collided pause for different times.
fn pause(execution: &ExecutionName, attempt: u32) -> Duration {
    let longest = (20_u64 << attempt.min(6)).min(1000);
    let digest = Digest256::of(format!("{execution} {attempt}").as_bytes());
    let spread = digest.as_str().bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(spread % longest)
}

fn contended(execution: &ExecutionName) -> Unavailable {
    let cause = format!("the state of run {execution} changed during each of {MAX_ATTEMPTS} attempts to write it");
    Unavailable::new(Dependency::Accounts, cause)
}
