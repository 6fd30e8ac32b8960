//! Admission: whether a run may begin, waits for a place, or is refused. Every way in passes through here.

use crate::ports::elapsed;
use crate::{
    Account, Admitted, Allowance, ExecutionName, Journal, Ledger, MicroDollars, NotAdmitted, Principal, Request, Role,
    Session, Slot, Unavailable, summary_of,
};

use super::{CommandError, Desk};

/// A place of a run that is in no log after so long (a crash at its very start) is given away.
const ORPHANED: std::time::Duration = std::time::Duration::from_secs(600);

/// So often somebody else may be faster before that is taken for a fault.
const MOST_TRIES: u32 = 50;

impl Desk {
    /// The account of a principal. Whoever has none may work on anything; tokens are only handed out together with an account.
    pub async fn account(&self, principal: &Principal) -> Result<Account, Unavailable> {
        let kept = self.accounts.account(principal).await?;
        Ok(kept.unwrap_or_else(|| Account::new(principal.clone(), Role::Member, Allowance::default())))
    }

    /// Admits a run: it begins now, or waits for a place.
    pub(super) async fn admit(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        request: &Request,
        reserved: MicroDollars,
    ) -> Result<Admitted, CommandError> {
        if !self.account(owner).await?.allowance.covers(&request.repo_url) {
            return Err(NotAdmitted::Repository(request.repo_url.clone()).into());
        }
        let slot = Slot { session: execution.session.clone(), run: execution.run, reserved, at: self.clock.now() };
        let admit = |account: &mut Account| {
            let now = self.clock.now();
            account.ledger.admit(&account.allowance, slot.clone(), now)
        };
        match self.change(owner, admit).await? {
            Ok(Admitted::Now) => Ok(Admitted::Now),
            // Only then it matters whether a place is held by a run that is over.
            Ok(Admitted::Queued) | Err(_) => {
                self.look_after(owner).await?;
                Ok(self.change(owner, admit).await??)
            }
        }
    }

    /// Lets a run cost more, within its principal's day.
    pub(super) async fn admit_more(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        more: MicroDollars,
    ) -> Result<(), CommandError> {
        let extend = |account: &mut Account| {
            let now = self.clock.now();
            account.ledger.extend(&account.allowance, execution, more, now)
        };
        Ok(self.change(owner, extend).await??)
    }

    /// Takes back what a run was let to cost more, when it came to nothing.
    pub(super) async fn admit_less(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
        less: MicroDollars,
    ) -> Result<(), Unavailable> {
        self.change(owner, |account| account.ledger.shrink(execution, less)).await
    }

    /// Whether a run has its place. One that nobody ever admitted (its session is older than admission, or its place was given
    /// away) is put in line.
    pub async fn has_place(
        &self,
        session: &Session,
        execution: &ExecutionName,
        reserved: MicroDollars,
    ) -> Result<bool, CommandError> {
        let owner = &session.owner;
        let account = self.account(owner).await?;
        match account.ledger.standing(execution) {
            Some(Admitted::Now) => Ok(true),
            Some(Admitted::Queued) => Ok(false),
            None => {
                // It was admitted once, or is older than admission: it stands in line, whatever its day has cost.
                let slot =
                    Slot { session: execution.session.clone(), run: execution.run, reserved, at: self.clock.now() };
                let join = |account: &mut Account| {
                    account.ledger.join(slot.clone());
                    let begin = account.ledger.promote(&account.allowance);
                    (account.ledger.standing(execution), begin)
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
        if account.ledger.standing(execution).is_none() && account.ledger.queued().is_empty() {
            return Ok(());
        }
        let begin = self
            .change(owner, |account| {
                account.ledger.settle(execution, cost, self.clock.now());
                account.ledger.promote(&account.allowance)
            })
            .await?;
        self.begin(begin).await
    }

    /// Starts the workflow of a run that is in its log by now, if it has a place by now.
    pub(super) async fn begin_if_placed(
        &self,
        owner: &Principal,
        execution: &ExecutionName,
    ) -> Result<(), Unavailable> {
        match self.account(owner).await?.ledger.standing(execution) {
            Some(Admitted::Now) => self.workflows.start(execution).await,
            Some(Admitted::Queued) | None => Ok(()),
        }
    }

    /// Gives back the place of a run that never came to be.
    pub(super) async fn give_back(&self, owner: &Principal, execution: &ExecutionName) -> Result<(), Unavailable> {
        self.release(owner, execution, MicroDollars(0)).await
    }

    /// Settles places of runs that are over without having said so, and gives them to those in line. To be called now and then
    /// where runs wait.
    pub async fn look_after(&self, owner: &Principal) -> Result<(), CommandError> {
        let account = self.account(owner).await?;
        let now = self.clock.now();
        let old = |slot: &&Slot| elapsed(slot.at, now) > ORPHANED;
        let mut over = Vec::new();
        for slot in account.ledger.active().iter().chain(account.ledger.queued().iter().filter(|slot| old(slot))) {
            let execution = slot.execution();
            match self.journal(&slot.session).await {
                Ok(journal) if journal.state().run_number(execution.run).is_some() => {
                    let cost = cost_when_over(&journal, &execution);
                    if cost.is_none() && old(&slot) {
                        self.complete_record(&journal).await?;
                    }
                    over.extend(cost.map(|cost| (execution, cost)));
                }
                Ok(_) | Err(CommandError::NotFound(_)) => {
                    if old(&slot) {
                        over.push((execution, MicroDollars(0)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let begin = self
            .change(owner, |account| {
                for (execution, cost) in &over {
                    account.ledger.settle(execution, *cost, self.clock.now());
                }
                account.ledger.promote(&account.allowance)
            })
            .await?;
        Ok(self.begin(begin).await?)
    }

    /// Makes the record of a session whose start broke off between its log and that; with a record it is found and driven.
    async fn complete_record(&self, journal: &Journal) -> Result<(), Unavailable> {
        let state = journal.state();
        if let (Some(session), Some(summary)) = (&state.session, summary_of(state, self.clock.now()))
            && self.sessions.get(&session.id).await?.is_none()
        {
            self.sessions.create(session, &summary).await?;
        }
        Ok(())
    }

    async fn begin(&self, executions: Vec<ExecutionName>) -> Result<(), Unavailable> {
        for execution in executions {
            match self.journal(&execution.session).await {
                Ok(journal) if journal.state().run_number(execution.run).is_some() => {
                    self.workflows.start(&execution).await?;
                }
                // It has its place before its log; whoever writes that starts it.
                Ok(_) | Err(CommandError::NotFound(_)) => {}
                Err(error) => return Err(Unavailable::new("a session's log", error)),
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
        for _ in 0..MOST_TRIES {
            let before = self.account(owner).await?;
            let mut after = before.clone();
            let result = change(&mut after);
            if after == before || self.accounts.put_account(&after).await? {
                return Ok(result);
            }
        }
        Err(Unavailable::new("the accounts", format!("the account of {owner} is written to all the time")))
    }
}

/// What a run has cost, once it is over.
fn cost_when_over(journal: &Journal, execution: &ExecutionName) -> Option<MicroDollars> {
    let run = journal.state().run_number(execution.run)?;
    run.status.is_terminal().then(|| run.budget.spent())
}

/// The words for why a run waits.
pub(super) fn queue_reason(owner: &Principal, ledger: &Ledger) -> String {
    let holders: Vec<&str> = ledger.active().iter().map(|slot| slot.session.as_str()).collect();
    let count = holders.len();
    format!("{owner} may have {count} sessions at work or waiting for somebody, and has: {}", holders.join(", "))
}
