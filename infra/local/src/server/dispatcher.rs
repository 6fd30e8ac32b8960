//! Drives every unfinished session, each in a task of its own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asl::Interpreter;
use domain::commands::finish_deletions;
use domain::ports::{Clock as _, all_unfinished, elapsed};
use domain::{SessionId, Status};
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::stopped;
use crate::clock::WallClock;
use crate::driver::{WaitPolicy, drive_session};
use crate::world::World;

/// How often the store is searched for unfinished sessions that other processes started or left.
const SEARCH_INTERVAL: Duration = Duration::from_secs(2);

/// Only sessions without a write for this long are taken over: another process may be about to drive one that it has just
/// written to.
const MIN_IDLE: Duration = Duration::from_secs(5);

/// Maximum time for which a server that stops waits for the drivers of runs that are over.
const MAX_ENDING: Duration = Duration::from_secs(5);

/// How often reservations are searched for runs that no driver will start or release: their start crashed before the session
/// had a record, or their end before the release.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Pause before a session whose driver failed is driven again.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Starts a driver for each unfinished session.
pub(super) struct Dispatcher {
    world: Arc<World>,
    interpreter: Arc<Interpreter>,
    /// Sessions that have a driver task in this process.
    active: Arc<Mutex<HashSet<SessionId>>>,
}

impl Dispatcher {
    pub(super) fn new(world: Arc<World>, interpreter: Arc<Interpreter>) -> Self {
        Self { world, interpreter, active: Arc::default() }
    }

    /// Runs until `stop` is set. Then the drivers are dropped, and their sessions stay at their stored positions.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut due = self.world.engine.watch_due();
        let mut drivers = JoinSet::new();
        // Sessions that an earlier server left are taken over at once.
        let mut min_idle = Duration::ZERO;
        let mut swept = WallClock.now();
        loop {
            due.borrow_and_update();
            self.world.engine.take_due().into_iter().for_each(|session| self.spawn_driver(session, &mut drivers));
            let written_before = WallClock.now() - SignedDuration::try_from(min_idle).unwrap_or_default();
            min_idle = MIN_IDLE;
            match all_unfinished(&self.world.store, written_before).await {
                Ok(sessions) => sessions.into_iter().for_each(|session| self.spawn_driver(session, &mut drivers)),
                Err(error) => {
                    tracing::warn!(
                        error = domain::error_chain(&error),
                        "unfinished sessions could not be searched for"
                    );
                }
            }
            if let Err(error) = finish_deletions(&self.world.services()).await {
                tracing::warn!(
                    error = domain::error_chain(&error),
                    "deletions that were cut off could not be completed"
                );
            }
            while drivers.try_join_next().is_some() {}
            if elapsed(swept, WallClock.now()) >= SWEEP_INTERVAL {
                swept = WallClock.now();
                self.spawn_sweep(&mut drivers);
            }
            tokio::select! {
                _ = due.changed() => {}
                () = tokio::time::sleep(SEARCH_INTERVAL) => {}
                () = stopped(&mut stop) => break,
            }
        }
        if tokio::time::timeout(MAX_ENDING, self.drivers_of_ended_runs(&mut drivers)).await.is_err() {
            tracing::warn!("the sandboxes of runs that have just ended are removed at the next start");
        }
        drivers.shutdown().await;
    }

    /// Returns when no driver is left whose run is over: it still removes the sandbox.
    async fn drivers_of_ended_runs(&self, drivers: &mut JoinSet<()>) {
        while self.has_ended_run().await && drivers.join_next().await.is_some() {}
    }

    async fn has_ended_run(&self) -> bool {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for session in active {
            let log = self.world.log(&session).await;
            if log.is_ok_and(|log| log.state().status().is_some_and(Status::is_terminal)) {
                return true;
            }
        }
        false
    }

    /// Advances runs that have no driver, in a task.
    fn spawn_sweep(&self, drivers: &mut JoinSet<()>) {
        let (services, active) = (self.world.services(), Arc::clone(&self.active));
        drivers.spawn(async move {
            let is_driven =
                |session: &SessionId| active.lock().unwrap_or_else(PoisonError::into_inner).contains(session);
            if let Err(error) = services.advance_outstanding(SWEEP_INTERVAL, is_driven).await {
                let error = domain::error_chain(&error);
                tracing::warn!(error, "reservations could not be searched");
            }
        });
    }

    /// Drives a session in a task, unless it has one.
    fn spawn_driver(&self, session: SessionId, drivers: &mut JoinSet<()>) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if !active.insert(session.clone()) {
            return;
        }
        let (world, interpreter) = (Arc::clone(&self.world), Arc::clone(&self.interpreter));
        let guard = ActiveGuard { active: Arc::clone(&self.active), session };
        drivers.spawn(async move {
            let session = &guard.session;
            // When another process drives the session this returns at once, and the next search checks again.
            if let Err(error) = drive_session(&world, &interpreter, session, WaitPolicy::Hold).await {
                tracing::error!(session_id = %session, error = format!("{error:#}"), "the driver of a session failed and is started again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        });
    }
}

/// Marks a session as having a driver task, until it is dropped.
struct ActiveGuard {
    active: Arc<Mutex<HashSet<SessionId>>>,
    session: SessionId,
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.session);
    }
}
