//! Admission: whether a run starts, is queued, or is refused. All runs pass through here.
//!
//! A run's reservation is written before its log, and settled after its log says that the run is over. A crash in between
//! leaves a reservation too many, never too few; [`Services::sweep`] releases it.

use crate::ports::elapsed;
use crate::{
    Account, AdmissionQueue, Admitted, Dependency, ExecutionName, MicroDollars, NotAdmitted, Principal, Quota, Request,
    Reservation, Role, Session, SessionLog, Unavailable, summary_of,
};

use super::{CommandError, Services};

/// Age at which a reservation whose run is in no log is released: its start crashed. A start that is still under way takes far
/// less.
const ORPHANED: std::time::Duration = std::time::Duration::from_secs(600);

/// Maximum compare-and-set attempts before the write of an account is reported as failed.
const MAX_ATTEMPTS: u32 = 50;

impl Services {
    /// The account of a principal. A principal without one has no limits: it is the local user, because access tokens are
    /// created together with an account.
    pub async fn account(&self, principal: &Principal) -> Result<Account, Unavailable> {
        let stored = self.accounts.account(principal).await?;
        Ok(stored.unwrap_or_else(|| Account::new(principal.clone(), Role::Member, Quota::default())))
    }

    /// Reserves a run's worst-case cost, and gives it a slot or queues it. May be repeated for the same run.
    pub(super) async fn admit(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        request: &Request,
        reserved: MicroDollars,
    ) -> Result<Admitted, CommandError> {
        if !self.account(owner).await?.quota.allows_repository(&request.repo_url) {
            return Err(NotAdmitted::Repository(request.repo_url.clone()).into());
        }
        let reservation =
            Reservation { session: execution.session.clone(), run: execution.run, reserved, at: self.clock.now() };
        let admit = |account: &mut Account| {
            let now = self.clock.now();
            account.queue.admit(&account.quota, reservation.clone(), now)
        };
        match self.update_account(owner, admit).await? {
            Ok(Admitted::Now) => Ok(Admitted::Now),
            // A run that is over may still have its reservation. The sweep reads many logs, so it runs only when it may help.
            Ok(Admitted::Queued) | Err(_) => {
                self.sweep(owner).await?;
                Ok(self.update_account(owner, admit).await??)
            }
        }
    }

    /// Raises what is reserved for a run, within its principal's daily limit.
    pub(super) async fn raise_reservation(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        more: MicroDollars,
    ) -> Result<(), CommandError> {
        let raise = |account: &mut Account| {
            let now = self.clock.now();
            account.queue.raise(&account.quota, execution, more, now)
        };
        Ok(self.update_account(owner, raise).await??)
    }

    /// Undoes [`Services::raise_reservation`], when the extension was not appended.
    pub(super) async fn lower_reservation(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        less: MicroDollars,
    ) -> Result<(), Unavailable> {
        self.update_account(owner, |account| account.queue.lower(execution, less)).await
    }

    /// Whether a run has a slot. A run without a reservation (its session is older than admission, or a sweep released it too
    /// early) is enqueued first, whatever its day has cost: it exists, so it is not refused any more.
    pub async fn acquire_slot(
        &self,
        session: &Session,
        execution: &ExecutionName,
        reserved: MicroDollars,
    ) -> Result<bool, CommandError> {
        let owner = &session.owner;
        let account = self.account(owner).await?;
        match account.queue.admission(execution) {
            Some(Admitted::Now) => Ok(true),
            Some(Admitted::Queued) => Ok(false),
            None => {
                let reservation = Reservation {
                    session: execution.session.clone(),
                    run: execution.run,
                    reserved,
                    at: self.clock.now(),
                };
                let enqueue = |account: &mut Account| {
                    account.queue.enqueue(reservation.clone());
                    let promoted = account.queue.promote(&account.quota);
                    (account.queue.admission(execution), promoted)
                };
                let (admission, promoted) = self.update_account(owner, enqueue).await?;
                // The free slots go to earlier runs first.
                self.start_workflows(promoted).await?;
                Ok(admission == Some(Admitted::Now))
            }
        }
    }

    /// Settles the reservation of a run that is over and cost `cost`, and starts the workflows of the queued runs that get a slot.
    /// May be repeated.
    pub async fn release(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        cost: MicroDollars,
    ) -> Result<(), Unavailable> {
        let account = self.account(owner).await?;
        if account.queue.admission(execution).is_none() && account.queue.queued().is_empty() {
            return Ok(());
        }
        let promoted = self
            .update_account(owner, |account| {
                account.queue.settle(execution, cost, self.clock.now());
                account.queue.promote(&account.quota)
            })
            .await?;
        self.start_workflows(promoted).await
    }

    /// Starts the workflow of a run that was just written to its log, if it has a slot. The queue is read again: the run may have
    /// been promoted before it was in its log, when [`Services::start_workflows`] skipped it.
    pub(super) async fn start_if_admitted(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
    ) -> Result<(), Unavailable> {
        match self.account(owner).await?.queue.admission(execution) {
            Some(Admitted::Now) => self.workflows.start(execution).await,
            Some(Admitted::Queued) | None => Ok(()),
        }
    }

    /// Releases the reservation of a run that was never started.
    pub(super) async fn release_unused(&self, owner: &Principal, execution: &ExecutionName) -> Result<(), Unavailable> {
        self.release(owner, execution, MicroDollars(0)).await
    }

    /// Settles the reservations of runs that are over, or whose start crashed, and starts the queued runs that get a slot. To be
    /// called from time to time while runs are queued.
    pub async fn sweep(&self, owner: &Principal) -> Result<(), CommandError> {
        let account = self.account(owner).await?;
        let now = self.clock.now();
        let old = |reservation: &&Reservation| elapsed(reservation.at, now) > ORPHANED;
        let mut over = Vec::new();
        for reservation in
            account.queue.active().iter().chain(account.queue.queued().iter().filter(|reservation| old(reservation)))
        {
            let execution = reservation.execution();
            match self.log(&reservation.session).await {
                Ok(log) if log.state().run_number(execution.run).is_some() => {
                    let cost = cost_when_over(&log, &execution);
                    if cost.is_none() && old(&reservation) {
                        self.add_missing_record(&log).await?;
                    }
                    over.extend(cost.map(|cost| (execution, cost)));
                }
                Ok(_) | Err(CommandError::NotFound(_) | CommandError::Deleted(_)) => {
                    if old(&reservation) {
                        over.push((execution, MicroDollars(0)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let promoted = self
            .update_account(owner, |account| {
                for (execution, cost) in &over {
                    account.queue.settle(execution, *cost, self.clock.now());
                }
                account.queue.promote(&account.quota)
            })
            .await?;
        Ok(self.start_workflows(promoted).await?)
    }

    /// Adds the record of a session whose start crashed between log and record. With a record, `reconcile` finds the session.
    async fn add_missing_record(&self, log: &SessionLog) -> Result<(), Unavailable> {
        let state = log.state();
        if let (Some(session), Some(summary)) = (&state.session, summary_of(state, self.clock.now()))
            && self.sessions.get(&session.id).await?.is_none()
        {
            self.sessions.create(session, &summary).await?;
        }
        Ok(())
    }

    async fn start_workflows(&self, executions: Vec<ExecutionName>) -> Result<(), Unavailable> {
        for execution in executions {
            match self.log(&execution.session).await {
                Ok(log) if log.state().run_number(execution.run).is_some() => {
                    self.workflows.start(&execution).await?;
                }
                // Reserved, but not in its log yet: the command that writes the log starts it.
                Ok(_) | Err(CommandError::NotFound(_) | CommandError::Deleted(_)) => {}
                Err(error) => return Err(Unavailable::new(Dependency::EventLog, error)),
            }
        }
        Ok(())
    }

    /// Changes an account by compare-and-set: calls `change` again with the new account whenever somebody else wrote first. An
    /// account that `change` leaves as it was is not written.
    pub(super) async fn update_account<T>(
        &self,
        owner: &Principal,
        mut change: impl FnMut(&mut Account) -> T,
    ) -> Result<T, Unavailable> {
        for _ in 0..MAX_ATTEMPTS {
            let before = self.account(owner).await?;
            let mut after = before.clone();
            let result = change(&mut after);
            if after == before || self.accounts.put_account(&after).await? {
                return Ok(result);
            }
        }
        Err(Unavailable::new(
            Dependency::Accounts,
            format!("the account of {owner} changed during each of {MAX_ATTEMPTS} attempts to write it"),
        ))
    }
}

/// The cost of a run that is over; none while it is not.
fn cost_when_over(log: &SessionLog, execution: &ExecutionName) -> Option<MicroDollars> {
    let run = log.state().run_number(execution.run)?;
    run.status.is_terminal().then(|| run.budget.spent())
}

/// For what a run is queued, in a sentence.
pub(super) fn queue_reason(owner: &Principal, queue: &AdmissionQueue) -> String {
    let holders: Vec<&str> = queue.active().iter().map(|reservation| reservation.session.as_str()).collect();
    let count = holders.len();
    format!("{owner} may have {count} active sessions, and has: {}", holders.join(", "))
}
