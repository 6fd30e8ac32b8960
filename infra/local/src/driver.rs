//! Drives a session's runs: holds its lock, runs the workflow until the run ends or waits for a person.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use asl::Interpreter;
use domain::commands::Reconciled;
use domain::ports::{
    Clock as _, EventLog as _, ExecutionState, LiveText as _, Sandboxes as _, Sessions as _, Workflows as _,
};
use domain::{ExecutionName, SandboxId, Seq, SessionId, SessionLog, Status};

use crate::clock::WallClock;
use crate::world::World;

/// So many sessions are looked at when tidying up.
const MAX_SESSIONS: usize = 1000;

/// Where a session stands when its driver stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Its latest run is over.
    Ended(Status),
    /// It waits for a person.
    AwaitingUser,
    /// Somebody stopped its driver; it can be resumed.
    Interrupted,
}

/// What a driver does while its session waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileWaiting {
    /// It stops: whoever answers drives on.
    Stop,
    /// It stays, so that an answer, or the end of the wait, is seen.
    Stay,
}

/// Whether something is due that came while the driver was stopping: whoever said it found the lock taken and left it to the
/// driver. To be asked after the lock was given back.
pub(crate) async fn is_due_again(world: &World, session: &SessionId, stopped: Stopped) -> anyhow::Result<bool> {
    let log = open(world, session).await?;
    let state = log.state();
    Ok(match stopped {
        Stopped::AwaitingUser => state.wait.is_none(),
        Stopped::Ended(_) => state.status().is_some_and(|status| !status.is_terminal()),
        Stopped::Interrupted => false,
    })
}

/// Drives a session until its latest run is over or waits for a person. The caller holds the session's lock.
pub async fn drive(
    world: &World,
    interpreter: &Arc<Interpreter>,
    session: &SessionId,
    while_waiting: WhileWaiting,
) -> anyhow::Result<Stopped> {
    loop {
        let log = open(world, session).await?;
        let run = log.state().run().context("the session has no run")?;
        let execution = ExecutionName { session: session.clone(), run: run.number };
        if run.status.is_terminal() {
            // A crash may have come between the last event and what follows it.
            if world.engine.state(&execution).await? == ExecutionState::Running {
                world.engine.drive(Arc::clone(interpreter), &execution).await.context("the workflow cannot end")?;
            }
            let (services, sandboxes, traces) = (world.services(), world.sandboxes.as_ref(), world.traces.as_ref());
            domain::commands::reconcile(&services, sandboxes, traces, session).await?;
            let status = run.status;
            if open(world, session).await?.state().run().is_some_and(|latest| latest.number > execution.run) {
                continue;
            }
            return Ok(Stopped::Ended(status));
        }
        let running = async {
            has_slot(world, session).await?;
            let ended = world.engine.drive(Arc::clone(interpreter), &execution).await;
            ended.context("the workflow cannot go on")
        };
        let waiting = async {
            match while_waiting {
                WhileWaiting::Stop => awaiting_user(world, session).await,
                WhileWaiting::Stay => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = running => {
                ended?;
                world.live.forget(session).await?;
                let log = open(world, session).await?;
                let over = log.state().run_number(execution.run).is_some_and(|run| run.status.is_terminal());
                if !over {
                    // The machine's own time-out, or a stop from outside, skips every Catch.
                    let (services, sandboxes, traces) = (world.services(), world.sandboxes.as_ref(), world.traces.as_ref());
                    domain::commands::reconcile(&services, sandboxes, traces, session).await?;
                }
            }
            waited = waiting => {
                waited?;
                return Ok(Stopped::AwaitingUser);
            }
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                return Ok(Stopped::Interrupted);
            }
        }
    }
}

/// Returns when the session's run has its place among those of its owner, or is to be cancelled.
async fn has_slot(world: &World, session: &SessionId) -> anyhow::Result<()> {
    let services = world.services();
    let mut log = open(world, session).await?;
    for look in 0_u32.. {
        log.refresh().await?;
        let state = log.state();
        let (Some(fixed), Some(run)) = (&state.session, state.run()) else { anyhow::bail!("the session has no run") };
        let execution = ExecutionName { session: session.clone(), run: run.number };
        // What is to be cancelled needs no place to do so; what works already has it.
        let begun = run.cancel.is_some() || run.last_step_started > Seq(0);
        if begun || services.has_slot(fixed, &execution, run.budget.limits().max_cost).await? {
            break;
        }
        if look % LOOKS_AFTER == 0 {
            // It sees whether the ledger still fits what runs, and ends what has waited too long.
            let (sandboxes, traces) = (world.sandboxes.as_ref(), world.traces.as_ref());
            if domain::commands::reconcile(&services, sandboxes, traces, session).await? == Reconciled::Ended {
                break;
            }
        }
        world.store.wait(session, state.tail, QUEUE_POLL).await?;
    }
    Ok(())
}

/// So often a run in line looks whether the ledger still fits what runs.
const LOOKS_AFTER: u32 = 60;

/// How often a run in line looks whether it has a place by now.
const QUEUE_POLL: Duration = Duration::from_millis(500);

/// Returns when the session's workflow waits for a person and nothing else.
async fn awaiting_user(world: &World, session: &SessionId) -> anyhow::Result<()> {
    let mut log = open(world, session).await?;
    loop {
        if is_waiting(&log) {
            return Ok(());
        }
        world.store.wait(session, log.state().tail, Duration::from_secs(60)).await?;
        log.refresh().await?;
    }
}

/// Whether `await-user` has done its part and the question still stands.
fn is_waiting(log: &SessionLog) -> bool {
    let state = log.state();
    let step_done = state
        .run()
        .is_some_and(|run| run.open_step.is_none() && run.last_step_finished == Some(domain::Step::AwaitUser));
    // A wait whose time is over goes on by itself: the workflow ends it.
    let open = state.wait.as_ref().is_some_and(|wait| wait.deadline > WallClock.now());
    open && step_done
}

/// Puts in order what earlier processes left behind: sessions whose workflow ended without them, sandboxes of runs that are
/// over. What another process drives is left alone; what cannot be put in order is named in the log and stands in nobody's way.
pub(crate) async fn recover(world: &World) -> anyhow::Result<()> {
    for summary in world.store.list(None, None, MAX_SESSIONS).await? {
        if summary.status.is_terminal() {
            continue;
        }
        if let Err(error) = recover_session(world, &summary.id).await {
            tracing::warn!(session_id = %summary.id, error = format!("{error:#}"), "the session could not be put in order");
        }
    }
    for sandbox in world.sandboxes.kept()? {
        if let Err(error) = recover_sandbox(world, &sandbox).await {
            tracing::warn!(%sandbox, error = format!("{error:#}"), "the sandbox could not be removed");
        }
    }
    Ok(())
}

async fn recover_session(world: &World, session: &SessionId) -> anyhow::Result<()> {
    let Some(_lock) = world.locks.take(session)? else { return Ok(()) };
    let (services, sandboxes, traces) = (world.services(), world.sandboxes.as_ref(), world.traces.as_ref());
    match domain::commands::reconcile(&services, sandboxes, traces, session).await? {
        Reconciled::InOrder | Reconciled::Queued | Reconciled::Started | Reconciled::Answered => {}
        Reconciled::Ended => {
            let log = open(world, session).await?;
            if let Some(summary) = domain::summary_of(log.state(), WallClock.now()) {
                world.store.update(&summary).await?;
            }
        }
    }
    Ok(())
}

async fn recover_sandbox(world: &World, sandbox: &SandboxId) -> anyhow::Result<()> {
    let session = sandbox.as_str().split('-').next().unwrap_or_default().to_uppercase();
    let session: SessionId = session.parse()?;
    let Some(_lock) = world.locks.take(&session)? else { return Ok(()) };
    let needed = match open(world, &session).await {
        Ok(log) => log.state().sandbox.as_ref().is_some_and(|known| known.id == *sandbox),
        // A log that cannot be read now may be readable to another version.
        Err(error) if world.store.get(&session).await?.is_some() => return Err(error),
        Err(_) => false,
    };
    if !needed {
        world.sandboxes.terminate(sandbox).await?;
    }
    Ok(())
}

/// A session's log, read to its end.
pub(crate) async fn open(world: &World, session: &SessionId) -> anyhow::Result<SessionLog> {
    let event_log = Arc::new(world.store.clone());
    Ok(SessionLog::open(event_log, Arc::new(WallClock), session).await?)
}
