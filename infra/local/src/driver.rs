//! Drives a session's runs: holds its lock, runs the workflow until the run ends or waits for a person.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use asl::Interpreter;
use domain::ports::EventLog as _;
use domain::{ExecutionName, Journal, SessionId, Status};

use crate::clock::WallClock;
use crate::world::World;

/// Where a session stands when its driver stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Its latest run is over.
    Ended(Status),
    /// It waits for a person.
    AwaitingUser,
}

/// Drives a session until its latest run is over or waits for a person. The caller holds the session's lock.
pub async fn drive(world: &World, interpreter: &Arc<Interpreter>, session: &SessionId) -> anyhow::Result<Stopped> {
    loop {
        let journal = open(world, session).await?;
        let run = journal.state().run().context("the session has no run")?;
        if run.status.is_terminal() {
            return Ok(Stopped::Ended(run.status));
        }
        let execution = ExecutionName { session: session.clone(), run: run.number };
        let running = world.engine.drive(Arc::clone(interpreter), &execution);
        let waiting = awaiting_user(world, session);
        tokio::select! {
            ended = running => {
                ended.context("the workflow cannot go on")?;
                let journal = open(world, session).await?;
                let over = journal.state().run_number(execution.run).is_some_and(|run| run.status.is_terminal());
                if !over {
                    // The machine's own time-out, or a stop from outside, skips every Catch.
                    let (desk, sandboxes, traces) = (world.desk(), world.sandboxes.as_ref(), world.traces.as_ref());
                    domain::commands::reconcile(&desk, sandboxes, traces, session).await?;
                }
            }
            waited = waiting => {
                waited?;
                return Ok(Stopped::AwaitingUser);
            }
        }
    }
}

/// Returns when the session's workflow waits for a person and nothing else.
async fn awaiting_user(world: &World, session: &SessionId) -> anyhow::Result<()> {
    let mut journal = open(world, session).await?;
    loop {
        if is_waiting(&journal) {
            return Ok(());
        }
        world.store.wait(session, journal.state().tail, Duration::from_secs(60)).await?;
        journal.refresh().await?;
    }
}

/// Whether `await-user` has done its part and the question still stands.
fn is_waiting(journal: &Journal) -> bool {
    let state = journal.state();
    let step_done = state.run().is_some_and(|run| run.open_step.is_none());
    let last_step = journal.events().iter().rev().find_map(|event| match &event.body {
        domain::EventBody::StepFinished(finished) => Some(finished.step),
        _ => None,
    });
    state.wait.is_some() && step_done && last_step == Some(domain::Step::AwaitUser)
}

/// A session's log, read to its end.
pub(crate) async fn open(world: &World, session: &SessionId) -> anyhow::Result<Journal> {
    let log = Arc::new(world.store.clone());
    Ok(Journal::open(log, Arc::new(WallClock), session).await?)
}
