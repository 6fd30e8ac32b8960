//! Recovers what processes that died left behind: sessions whose workflow ended without them, deletions that were cut off,
//! sandboxes of runs that are over.

use std::time::Duration;

use domain::SessionId;
use domain::commands::{Progress, finish_deletions};
use domain::ports::{ListedSandbox, LiveText as _, Sandboxes as _, Sessions as _, all_unfinished};
use jiff::Timestamp;

use crate::world::World;

/// Reconciles unfinished sessions and removes sandboxes that no run needs. Sessions that another process drives are skipped,
/// and one that cannot be recovered is logged and does not keep the program from starting.
pub(crate) async fn recover(world: &World) -> anyhow::Result<()> {
    for session in all_unfinished(&world.store, Timestamp::MAX).await? {
        if let Err(error) = recover_session(world, &session).await {
            tracing::warn!(session_id = %session, error = format!("{error:#}"), "the session could not be recovered");
        }
    }
    if let Err(error) = finish_deletions(&world.services()).await {
        tracing::warn!(error = domain::error_chain(&error), "deletions that were cut off could not be completed");
    }
    // Reservations of runs whose start crashed before their sessions had a record, or that are over and were not released.
    world.services().advance_outstanding(Duration::ZERO, |_| false).await?;
    for listed in world.sandboxes.list(None).await? {
        if let Err(error) = recover_sandbox(world, &listed).await {
            tracing::warn!(sandbox = %listed.id, error = format!("{error:#}"), "the sandbox could not be removed");
        }
    }
    Ok(())
}

async fn recover_session(world: &World, session: &SessionId) -> anyhow::Result<()> {
    let Some(_lock) = world.locks.try_acquire(session)? else { return Ok(()) };
    if world.reconcile(session).await? == Progress::Ended {
        world.live.forget(session).await?;
    }
    Ok(())
}

async fn recover_sandbox(world: &World, sandbox: &ListedSandbox) -> anyhow::Result<()> {
    let session = &sandbox.session;
    let Some(_lock) = world.locks.try_acquire(session)? else { return Ok(()) };
    let needed = match world.log(session).await {
        Ok(log) => log.state().sandbox.as_ref().is_some_and(|known| known.id == sandbox.id),
        // Another version of the program may be able to read this log, and needs the sandbox then.
        Err(error) if world.store.get(session).await?.is_some() => return Err(error.into()),
        Err(_) => false,
    };
    if !needed {
        world.sandboxes.terminate(&sandbox.id).await?;
    }
    Ok(())
}
