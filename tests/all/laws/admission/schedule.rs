//! One random schedule: requests, steps of runs and timers in any order, with crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use domain::commands::{CommandError, Services, Start, cancel, extend, message, run_ended, start};
use domain::ports::{Accounts as _, ExecutionState};
use domain::run_outcome::final_events;
use domain::state::SessionState;
use domain::{
    Attempt, BudgetExtended, BudgetReserved, BudgetSettled, CallKey, Conversation, ExecutionName, Keep, MicroDollars,
    Principal, SessionId, SessionLog, SessionLogError, Status, Step, StepStart, TurnNumber, UncheckedLimits,
    UncheckedRequest,
};
use tempfile::TempDir;

use super::account;
use super::ports::Ports;

/// How far the clock moves between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jumps {
    /// By seconds.
    Short,
    /// By seconds, and sometimes by a quarter of an hour.
    Long,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Steps of a schedule before everything is left to the timers.
const STEPS: u32 = 300;

/// Rounds after which every run must have ended.
const MAX_ROUNDS: u32 = 60;

pub(super) struct Schedule {
    random: u64,
    jumps: Jumps,
    ports: Arc<Ports>,
    services: Services,
    setup: domain::Setup,
    tasks: Vec<Task>,
    /// Sessions that requests were answered with, or may have started.
    sessions: Arc<Mutex<BTreeSet<SessionId>>>,
    /// Executions that a task works on.
    worked: Arc<Mutex<BTreeMap<ExecutionName, ()>>>,
    _directory: TempDir,
}

/// A request to start a session, with a repository that no other request names.
fn draft(number: u64) -> UncheckedRequest {
    let limits = UncheckedLimits { max_cost_usd: Some(1.0), ..UncheckedLimits::default() };
    UncheckedRequest {
        repo_url: format!("/repository-{number}"),
        prompt: "Do it.".to_owned(),
        limits: Some(limits),
        ..UncheckedRequest::default()
    }
}

impl Schedule {
    pub(super) async fn new(seed: u64, jumps: Jumps) -> Self {
        let directory = tempfile::Builder::new().tempdir_in(memory()).unwrap();
        let ports = Arc::new(Ports::new(directory.path()));
        let [first, second] = Self::owners();
        // With long jumps a run that counted as abandoned is enqueued again, whatever its day has cost.
        let daily = (jumps == Jumps::Short).then_some(MicroDollars(6_000_000));
        assert!(ports.store.put_account(&account(&first, 1, daily)).await.unwrap());
        assert!(ports.store.put_account(&account(&second, 2, daily)).await.unwrap());
        let services = ports.services();
        Self {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            jumps,
            ports,
            services,
            setup: crate::support::session(&crate::support::session_id(0)).setup,
            tasks: Vec::new(),
            sessions: Arc::default(),
            worked: Arc::default(),
            _directory: directory,
        }
    }

    pub(super) fn owners() -> [Principal; 2] {
        ["alice".parse().unwrap(), "bob".parse().unwrap()]
    }

    pub(super) fn ports(&self) -> Arc<Ports> {
        Arc::clone(&self.ports)
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    /// A request of this owner, without a key.
    pub(super) fn start_request(&self, owner: &Principal, number: u64) -> Start {
        let request = draft(number).check("claude-sonnet-5-5", domain::Network::None).unwrap();
        Start { owner: owner.clone(), request, setup: self.setup.clone(), key: None }
    }

    pub(super) fn sessions(&self) -> BTreeSet<SessionId> {
        let started = self.ports.starts.lock().unwrap().keys().map(|execution| execution.session.clone()).collect();
        &self.sessions.lock().unwrap().clone() | &started
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % end
    }

    /// Runs the schedule, then what timers and engines do until every run has ended.
    pub(super) async fn run(&mut self) {
        for _ in 0..STEPS {
            match self.below(100) {
                0..12 if self.tasks.len() < 8 => self.spawn_request(),
                12..24 if self.tasks.len() < 8 => self.spawn_command(),
                24..32 if self.tasks.len() < 10 => self.spawn_work(),
                32..35 if self.tasks.len() < 10 => self.spawn_timer(),
                35..37 => self.crash(),
                37..40 => {
                    let long = self.jumps == Jumps::Long && self.below(8) == 0;
                    let seconds = if long { 900 } else { self.below(10) };
                    self.ports.pass(i64::try_from(seconds).unwrap());
                }
                _ => self.poll_one(),
            }
        }
        while !self.tasks.is_empty() {
            if self.below(3) == 0 { self.crash() } else { self.poll_one() }
        }
        for round in 0..MAX_ROUNDS {
            self.ports.pass(60);
            self.spawn_timer();
            self.finish_tasks();
            let running = self.running();
            if running.is_empty() && round > 12 {
                return;
            }
            for execution in running {
                self.spawn_engine(execution, EngineEnd::Orderly);
            }
            self.finish_tasks();
        }
    }

    fn finish_tasks(&mut self) {
        while !self.tasks.is_empty() {
            self.poll_one();
        }
    }

    fn poll_one(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let chosen = usize::try_from(self.below(self.tasks.len() as u64)).unwrap();
        if let Poll::Ready(()) = self.tasks[chosen].as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            drop(self.tasks.swap_remove(chosen));
        }
    }

    /// Ends one task where it stands.
    fn crash(&mut self) {
        if !self.tasks.is_empty() {
            let chosen = usize::try_from(self.below(self.tasks.len() as u64)).unwrap();
            drop(self.tasks.swap_remove(chosen));
        }
    }

    /// A request for a session, sometimes with a key that an earlier request had.
    fn spawn_request(&mut self) {
        let owner = Self::owners()[usize::try_from(self.below(2)).unwrap()].clone();
        let number = self.below(6);
        let key = (number < 4).then(|| format!("key-{number}").parse().unwrap());
        let start_request = Start { key, ..self.start_request(&owner, number) };
        let (services, sessions) = (self.services.clone(), Arc::clone(&self.sessions));
        self.tasks.push(Box::pin(async move {
            match start(&services, start_request).await {
                Ok(started) => drop(sessions.lock().unwrap().insert(started.session.id)),
                Err(CommandError::NotAdmitted(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }));
    }

    /// A command for one of the sessions.
    fn spawn_command(&mut self) {
        let known: Vec<SessionId> = self.sessions().into_iter().collect();
        if known.is_empty() {
            return;
        }
        let session = known[usize::try_from(self.below(known.len() as u64)).unwrap()].clone();
        let services = self.services.clone();
        let kind = self.below(9);
        self.tasks.push(Box::pin(async move {
            let done = match kind {
                0 => cancel(&services, &session, Keep::Nothing, None).await,
                1..=4 => {
                    let more = BudgetExtended { cost: MicroDollars(500_000), ..BudgetExtended::default() };
                    extend(&services, &session, more, None).await
                }
                _ => message(&services, &session, "And this.", None).await.map(drop),
            };
            match done {
                // A session whose start has crashed before its log is not found.
                Ok(()) | Err(CommandError::NotAdmitted(_) | CommandError::Conflict(_) | CommandError::NotFound(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }));
    }

    /// The timer of `reconcile`.
    fn spawn_timer(&mut self) {
        let services = self.services.clone();
        self.tasks.push(Box::pin(async move {
            services.advance_outstanding(Duration::ZERO, |_| false).await.unwrap();
        }));
    }

    fn running(&self) -> Vec<ExecutionName> {
        let (executions, worked) = (self.ports.executions.lock().unwrap(), self.worked.lock().unwrap());
        let running = executions.iter().filter(|(_, state)| **state == ExecutionState::Running);
        running.map(|(name, _)| name.clone()).filter(|name| !worked.contains_key(name)).collect()
    }

    /// The engine works on a running execution that no task works on.
    fn spawn_work(&mut self) {
        let running = self.running();
        if !running.is_empty() {
            let execution = running[usize::try_from(self.below(running.len() as u64)).unwrap()].clone();
            let end = if self.below(8) == 0 { EngineEnd::WithoutTheRun } else { EngineEnd::Orderly };
            self.spawn_engine(execution, end);
        }
    }

    fn spawn_engine(&mut self, execution: ExecutionName, end: EngineEnd) {
        self.worked.lock().unwrap().insert(execution.clone(), ());
        let guard = Worked { worked: Arc::clone(&self.worked), execution };
        let (services, ports) = (self.services.clone(), Arc::clone(&self.ports));
        let share = self.below(101);
        self.tasks.push(Box::pin(async move {
            let execution = guard.execution.clone();
            match end {
                EngineEnd::Orderly => work(&services, &execution, share).await,
                EngineEnd::WithoutTheRun => {}
            }
            ports.executions.lock().unwrap().insert(execution, ExecutionState::Ended);
        }));
    }
}

/// How an execution ends.
#[derive(Debug, Clone, Copy)]
enum EngineEnd {
    /// The last step ends the run.
    Orderly,
    /// Like the time-out of the state machine, which skips every step.
    WithoutTheRun,
}

/// Marks an execution as worked on, until it is dropped.
struct Worked {
    worked: Arc<Mutex<BTreeMap<ExecutionName, ()>>>,
    execution: ExecutionName,
}

impl Drop for Worked {
    fn drop(&mut self) {
        self.worked.lock().unwrap().remove(&self.execution);
    }
}

/// The steps of a run: it spends `share` percent of its limit, ends, and is released.
async fn work(services: &Services, execution: &ExecutionName, share: u64) {
    let worked: Result<(), SessionLogError> = async {
        let mut log = start_step(services, execution).await?;
        let run = log.state().run_number(execution.run).unwrap();
        if run.budget.spent() == MicroDollars(0) {
            let amount = run.budget.limits().max_cost;
            let call = CallKey { conversation: Conversation::Main, turn: TurnNumber(1), attempt: Attempt(1) };
            log.append(vec![BudgetReserved { call, amount }.into()]).await?;
            let cost = MicroDollars(amount.0 * share / 100);
            log.append(vec![BudgetSettled { call, cost }.into()]).await?;
        }
        log.decide(|state| Ok::<_, SessionLogError>(final_events(state, Status::Failed, None))).await
    }
    .await;
    // Stale: an earlier invocation has ended the run.
    assert!(matches!(worked, Ok(()) | Err(SessionLogError::Stale)), "{worked:?}");
    run_ended(services, execution).await.unwrap();
}

async fn start_step(services: &Services, execution: &ExecutionName) -> Result<SessionLog, SessionLogError> {
    let mut log = services.logs().open(&execution.session).await?;
    let (span, deadline) = (services.ids.span(), services.clock.now());
    let start = StepStart { step: Step::Finish, span, invocation: None, deadline };
    while !log.start_step(execution.run, &start).await? {
        log.refresh().await?;
    }
    Ok(log)
}

/// Ends a run, and does not release it.
pub(super) async fn end_run(services: &Services, execution: &ExecutionName) {
    let mut log = start_step(services, execution).await.unwrap();
    let end = |state: &SessionState| Ok::<_, SessionLogError>(final_events(state, Status::Failed, None));
    log.decide(end).await.unwrap();
}

/// A directory in memory, where there is one: a schedule writes some thousand times.
fn memory() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
