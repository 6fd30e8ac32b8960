//! Admission: whether a run may begin, waits for a place, or is refused. Every way in passes through here.

use crate::ports::elapsed;
use crate::{
    Account, AdmissionQueue, Admitted, Dependency, ExecutionName, MicroDollars, NotAdmitted, Principal, Quota, Request,
    Reservation, Role, Session, SessionLog, Unavailable, summary_of,
};

use super::{CommandError, Services};

/// A place of a run that is in no log after so long (a crash at its very start) is given away.
const ORPHANED: std::time::Duration = std::time::Duration::from_secs(600);

/// So often somebody else may be faster before that is taken for a fault.
const MAX_RETRIES: u32 = 50;

impl Services {
    /// The account of a principal. Whoever has none may work on anything; tokens are only handed out together with an account.
    pub async fn account(&self, principal: &Principal) -> Result<Account, Unavailable> {
        let kept = self.accounts.account(principal).await?;
        Ok(kept.unwrap_or_else(|| Account::new(principal.clone(), Role::Member, Quota::default())))
    }

    /// Admits a run: it begins now, or waits for a place.
    pub(super) async fn admit(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        request: &Request,
        reserved: MicroDollars,
    ) -> Result<Admitted, CommandError> {
        if !self.account(owner).await?.quota.covers(&request.repo_url) {
            return Err(NotAdmitted::Repository(request.repo_url.clone()).into());
        }
        let reservation =
            Reservation { session: execution.session.clone(), run: execution.run, reserved, at: self.clock.now() };
        let admit = |account: &mut Account| {
            let now = self.clock.now();
            account.queue.admit(&account.quota, reservation.clone(), now)
        };
        match self.change(owner, admit).await? {
            Ok(Admitted::Now) => Ok(Admitted::Now),
            // Only then it matters whether a place is held by a run that is over.
            Ok(Admitted::Queued) | Err(_) => {
                self.sweep(owner).await?;
                Ok(self.change(owner, admit).await??)
            }
        }
    }

    /// Lets a run cost more, within its principal's day.
    pub(super) async fn raise_reservation(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        more: MicroDollars,
    ) -> Result<(), CommandError> {
        let extend = |account: &mut Account| {
            let now = self.clock.now();
            account.queue.extend(&account.quota, execution, more, now)
        };
        Ok(self.change(owner, extend).await??)
    }

    /// Takes back what a run was let to cost more, when it came to nothing.
    pub(super) async fn lower_reservation(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        less: MicroDollars,
    ) -> Result<(), Unavailable> {
        self.change(owner, |account| account.queue.shrink(execution, less)).await
    }

    /// Whether a run has its place. One that nobody ever admitted (its session is older than admission, or its place was given
    /// away) is put in line.
    pub async fn has_slot(
        &self,
        session: &Session,
        execution: &ExecutionName,
        reserved: MicroDollars,
    ) -> Result<bool, CommandError> {
        let owner = &session.owner;
        let account = self.account(owner).await?;
        match account.queue.standing(execution) {
            Some(Admitted::Now) => Ok(true),
            Some(Admitted::Queued) => Ok(false),
            None => {
                // It was admitted once, or is older than admission: it stands in line, whatever its day has cost.
                let reservation = Reservation {
                    session: execution.session.clone(),
                    run: execution.run,
                    reserved,
                    at: self.clock.now(),
                };
                let join = |account: &mut Account| {
                    account.queue.join(reservation.clone());
                    let begin = account.queue.promote(&account.quota);
                    (account.queue.standing(execution), begin)
                };
                let (standing, begin) = self.change(owner, join).await?;
                // Others may have been in line before it.
                self.begin(begin).await?;
                Ok(standing == Some(Admitted::Now))
            }
        }
    }

    /// Gives the place of a run that is over to the next one in line, whose workflow is started.
    pub async fn release(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        cost: MicroDollars,
    ) -> Result<(), Unavailable> {
        let account = self.account(owner).await?;
        if account.queue.standing(execution).is_none() && account.queue.queued().is_empty() {
            return Ok(());
        }
        let begin = self
            .change(owner, |account| {
                account.queue.settle(execution, cost, self.clock.now());
                account.queue.promote(&account.quota)
            })
            .await?;
        self.begin(begin).await
    }

    /// Starts the workflow of a run that is in its log by now, if it has a place by now.
    pub(super) async fn start_if_admitted(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
    ) -> Result<(), Unavailable> {
        match self.account(owner).await?.queue.standing(execution) {
            Some(Admitted::Now) => self.workflows.start(execution).await,
            Some(Admitted::Queued) | None => Ok(()),
        }
    }

    /// Gives back the place of a run that never came to be.
    pub(super) async fn release_unused(&self, owner: &Principal, execution: &ExecutionName) -> Result<(), Unavailable> {
        self.release(owner, execution, MicroDollars(0)).await
    }

    /// Settles places of runs that are over without having said so, and gives them to those in line. To be called now and then
    /// where runs wait.
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
                        self.complete_record(&log).await?;
                    }
                    over.extend(cost.map(|cost| (execution, cost)));
                }
                Ok(_) | Err(CommandError::NotFound(_)) => {
                    if old(&reservation) {
                        over.push((execution, MicroDollars(0)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let begin = self
            .change(owner, |account| {
                for (execution, cost) in &over {
                    account.queue.settle(execution, *cost, self.clock.now());
                }
                account.queue.promote(&account.quota)
            })
            .await?;
        Ok(self.begin(begin).await?)
    }

    /// Makes the record of a session whose start broke off between its log and that; with a record it is found and driven.
    async fn complete_record(&self, log: &SessionLog) -> Result<(), Unavailable> {
        let state = log.state();
        if let (Some(session), Some(summary)) = (&state.session, summary_of(state, self.clock.now()))
            && self.sessions.get(&session.id).await?.is_none()
        {
            self.sessions.create(session, &summary).await?;
        }
        Ok(())
    }

    async fn begin(&self, executions: Vec<ExecutionName>) -> Result<(), Unavailable> {
        for execution in executions {
            match self.log(&execution.session).await {
                Ok(log) if log.state().run_number(execution.run).is_some() => {
                    self.workflows.start(&execution).await?;
                }
                // It has its place before its log; whoever writes that starts it.
                Ok(_) | Err(CommandError::NotFound(_)) => {}
                Err(error) => return Err(Unavailable::new(Dependency::EventLog, error)),
            }
        }
        Ok(())
    }

    /// Changes an account, again when somebody else was faster. What changes nothing is not written.
    pub(super) async fn change<T>(
        &self,
        owner: &Principal,
        mut change: impl FnMut(&mut Account) -> T,
    ) -> Result<T, Unavailable> {
        for _ in 0..MAX_RETRIES {
            let before = self.account(owner).await?;
            let mut after = before.clone();
            let result = change(&mut after);
            if after == before || self.accounts.put_account(&after).await? {
                return Ok(result);
            }
        }
        Err(Unavailable::new(
            Dependency::Accounts,
            format!("the account of {owner} changed at each of {MAX_RETRIES} tries to write it"),
        ))
    }
}

/// What a run has cost, once it is over.
fn cost_when_over(log: &SessionLog, execution: &ExecutionName) -> Option<MicroDollars> {
    let run = log.state().run_number(execution.run)?;
    run.status.is_terminal().then(|| run.budget.spent())
}

/// The words for why a run waits.
pub(super) fn queue_reason(owner: &Principal, queue: &AdmissionQueue) -> String {
    let holders: Vec<&str> = queue.active().iter().map(|reservation| reservation.session.as_str()).collect();
    let count = holders.len();
    format!("{owner} may have {count} sessions at work or waiting for somebody, and has: {}", holders.join(", "))
}
