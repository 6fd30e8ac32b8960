//! Drives every session that is not over, each in a task of its own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asl::Interpreter;
use domain::SessionId;
use domain::ports::Clock as _;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::until;
use crate::clock::WallClock;
use crate::driver::{self, WhileWaiting};
use crate::world::World;

/// How often sessions are looked for that another process has left.
const LOOK: Duration = Duration::from_secs(2);

/// A session that another process has written to this lately may be just about to be driven there.
const LEFT: Duration = Duration::from_secs(5);

/// How long a session rests whose driver failed.
const REST: Duration = Duration::from_secs(10);

/// The drivers.
pub(super) struct Dispatcher {
    world: Arc<World>,
    interpreter: Arc<Interpreter>,
    driven: Arc<Mutex<HashSet<SessionId>>>,
}

impl Dispatcher {
    pub(super) fn new(world: Arc<World>, interpreter: Arc<Interpreter>) -> Self {
        Self { world, interpreter, driven: Arc::default() }
    }

    /// Drives until `stop` says so; then what is driven stays where it is.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut due = self.world.engine.watch_due();
        let mut drivers = JoinSet::new();
        // What an earlier server left is taken up at once.
        let mut left = Duration::ZERO;
        loop {
            due.borrow_and_update();
            self.world.engine.take_due().into_iter().for_each(|session| self.begin(session, &mut drivers));
            let unwritten_since = WallClock.now() - SignedDuration::try_from(left).unwrap_or_default();
            left = LEFT;
            match self.world.store.unfinished(unwritten_since) {
                Ok(sessions) => sessions.into_iter().for_each(|session| self.begin(session, &mut drivers)),
                Err(error) => tracing::warn!(error = domain::error_chain(&error), "sessions cannot be looked for"),
            }
            while drivers.try_join_next().is_some() {}
            tokio::select! {
                _ = due.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = until(&mut stop) => break,
            }
        }
        drivers.shutdown().await;
    }

    fn begin(&self, session: SessionId, drivers: &mut JoinSet<()>) {
        let mut driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        if !driven.insert(session.clone()) {
            return;
        }
        let (world, interpreter) = (Arc::clone(&self.world), Arc::clone(&self.interpreter));
        let claim = Claim { driven: Arc::clone(&self.driven), session };
        drivers.spawn(async move {
            if let Err(error) = drive(&world, &interpreter, &claim.session).await {
                tracing::error!(session_id = %claim.session, error = format!("{error:#}"), "the session stopped here; it is tried again");
                tokio::time::sleep(REST).await;
            }
        });
    }
}

/// A session that has a driver. It may get another when this is dropped.
struct Claim {
    driven: Arc<Mutex<HashSet<SessionId>>>,
    session: SessionId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.session);
    }
}

async fn drive(world: &World, interpreter: &Arc<Interpreter>, session: &SessionId) -> anyhow::Result<()> {
    loop {
        // Another process may have it; then it is looked at again.
        let Some(lock) = world.locks.take_to_drive(session).await? else { return Ok(()) };
        let stopped = driver::drive(world, interpreter, session, WhileWaiting::Stay).await?;
        drop(lock);
        world.flush_traces().await;
        if !driver::is_due_again(world, session, stopped).await? {
            return Ok(());
        }
    }
}
