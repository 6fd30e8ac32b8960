//! Drives sessions: takes a session's lock, runs its workflow, and releases the lock when the run ends or waits for a user.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use asl::Interpreter;
use domain::commands::Progress;
use domain::ports::{Clock as _, EventLog as _, ExecutionState, LiveText as _, Sessions as _, Workflows as _};
use domain::{ExecutionName, SessionId, SessionLog, SessionLogError, Status};

use crate::clock::WallClock;
use crate::world::World;

/// Where a session stands when its driver returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveOutcome {
    /// The latest run ended with this status.
    Ended(Status),
    /// The run waits for a user.
    AwaitingUser,
    /// Ctrl-C stopped the driver; the session can be resumed.
    Interrupted,
}

/// What a driver does while its session waits for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Releases the session and returns. The process that records the user's answer drives it next.
    Release,
    /// Keeps the session, so that this process sees the answer, or the end of the wait.
    Hold,
}

/// Takes a session's lock, drives its runs until the latest one ends or waits for a user, and releases the lock. Returns
/// none when another process holds the lock, or the session was deleted.
///
/// A command that another process records while this driver is stopping finds the lock taken and leaves the rest to this
/// driver. So the log is read once more after the lock is released, and the session is driven again if something is due.
pub async fn drive_session(
    world: &World,
    interpreter: &Arc<Interpreter>,
    session: &SessionId,
    wait_policy: WaitPolicy,
) -> anyhow::Result<Option<DriveOutcome>> {
    match drive_while_due(world, interpreter, session, wait_policy).await {
        // Somebody has deleted the session since its run ended.
        Err(error) if is_of_deleted(&error) || world.store.is_deleted(session).await? => Ok(None),
        driven => driven,
    }
}

/// Whether an error says that the log of a session is closed for its deletion, which comes before its record says so.
fn is_of_deleted(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SessionLogError::Deleted(_)))
}

async fn drive_while_due(
    world: &World,
    interpreter: &Arc<Interpreter>,
    session: &SessionId,
    wait_policy: WaitPolicy,
) -> anyhow::Result<Option<DriveOutcome>> {
    let mut last = None;
    while let Some(lock) = world.locks.acquire_to_drive(session).await? {
        let outcome = run_until_stopped(world, interpreter, session, wait_policy).await?;
        drop(lock);
        world.flush_traces().await;
        last = Some(outcome);
        if !is_due_again(world, session, outcome).await? {
            break;
        }
    }
    Ok(last)
}

/// Whether the log holds something that `outcome` did not take into account.
async fn is_due_again(world: &World, session: &SessionId, outcome: DriveOutcome) -> anyhow::Result<bool> {
    let log = world.log(session).await?;
    let state = log.state();
    Ok(match outcome {
        DriveOutcome::AwaitingUser => state.wait.is_none(),
        DriveOutcome::Ended(_) => state.status().is_some_and(|status| !status.is_terminal()),
        DriveOutcome::Interrupted => false,
    })
}

/// Runs the workflow of a session's latest run, and of every run that follows meanwhile. The caller holds the session's lock.
async fn run_until_stopped(
    world: &World,
    interpreter: &Arc<Interpreter>,
    session: &SessionId,
    wait_policy: WaitPolicy,
) -> anyhow::Result<DriveOutcome> {
    loop {
        let log = world.log(session).await?;
        let run = log.state().run().context("the session has no run")?;
        let execution = ExecutionName { session: session.clone(), run: run.number };
        if run.status.is_terminal() {
            // A process may have died between the run's last event and the end of its execution.
            if world.engine.state(&execution).await? == ExecutionState::Running {
                let ended = world.engine.run_execution(Arc::clone(interpreter), &execution).await;
                ended.context("the workflow of a run that has ended cannot be completed")?;
            }
            world.reconcile(session).await?;
            let status = run.status;
            if world.log(session).await?.state().run().is_some_and(|latest| latest.number > execution.run) {
                continue;
            }
            return Ok(DriveOutcome::Ended(status));
        }
        let running = async {
            wait_for_slot(world, session).await?;
            let ended = world.engine.run_execution(Arc::clone(interpreter), &execution).await;
            ended.context("the workflow cannot continue")
        };
        let waiting = async {
            match wait_policy {
                WaitPolicy::Release => awaiting_user(world, session).await,
                WaitPolicy::Hold => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = running => {
                ended?;
                let log = world.log(session).await?;
                let over = log.state().run_number(execution.run).is_some_and(|run| run.status.is_terminal());
                if !over {
                    // The state machine's own time-out and an abort from outside skip every Catch, so no step has ended the run.
                    world.reconcile(session).await?;
                    world.live.forget(session).await?;
                }
            }
            waited = waiting => {
                waited?;
                return Ok(DriveOutcome::AwaitingUser);
            }
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                return Ok(DriveOutcome::Interrupted);
            }
        }
    }
}

/// How often a queued run checks whether it has a slot. Slots change in the accounts, which cannot be waited for.
const QUEUE_POLL: Duration = Duration::from_millis(500);

/// A queued run is reconciled at every 60th check, so every 30 seconds.
const CHECKS_PER_RECONCILE: u32 = 60;

/// Returns when the session's run has a slot in its owner's queue and its workflow may run, or when the run is over.
async fn wait_for_slot(world: &World, session: &SessionId) -> anyhow::Result<()> {
    let services = world.services();
    let mut log = world.log(session).await?;
    for check in 0_u32.. {
        log.refresh().await?;
        let execution = ExecutionName { session: session.clone(), run: log.run() };
        // The reconciliation also frees the slots of runs that are over, and discards reservations without a run.
        let progress = match check % CHECKS_PER_RECONCILE {
            0 => world.reconcile(session).await?,
            _ => services.advance(&execution).await?,
        };
        match progress {
            Progress::Queued => {}
            Progress::InOrder | Progress::Started | Progress::Answered | Progress::Ended => break,
        }
        world.store.wait(session, log.state().tail, QUEUE_POLL).await?;
    }
    Ok(())
}

/// Returns when the session's workflow waits for a user and nothing else.
async fn awaiting_user(world: &World, session: &SessionId) -> anyhow::Result<()> {
    let mut log = world.log(session).await?;
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
