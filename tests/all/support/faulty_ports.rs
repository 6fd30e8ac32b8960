//! Ports of which one call fails, before or after it was carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::commands::Services;
use domain::ports::{BlobError, Blobs, ExecutionState, LiveReply, LiveText, Workflows};
use domain::{BlobRef, Digest256, ExecutionName, SessionId, StepOutput, TaskToken, Unavailable};
use local::World;

use super::{Hooks, Intercepted};

/// One call fails.
struct Fault {
    calls: AtomicUsize,
    fails_at: usize,
    /// Whether the call that fails is carried out.
    after: bool,
}

impl Fault {
    fn check(&self, call: usize, after: bool) -> Result<(), Unavailable> {
        let fails = call == self.fails_at && after == self.after;
        if fails { Err(Unavailable::new(domain::Dependency::Store, "injected")) } else { Ok(()) }
    }
}

impl Hooks for Fault {
    async fn enter(&self) -> Result<usize, Unavailable> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.check(call, false).map(|()| call)
    }

    async fn leave(&self, entered: usize) -> Result<(), Unavailable> {
        self.check(entered, true)
    }
}

/// The ports of a world, of which one call fails, with an engine that takes every execution and runs none.
pub(crate) struct FaultyPorts {
    stored: Arc<Intercepted<Fault>>,
    blobs: Arc<dyn Blobs>,
    live: Arc<dyn LiveText>,
    /// The state of every execution.
    execution: ExecutionState,
    completed: AtomicUsize,
}

impl FaultyPorts {
    /// The `fails_at`-th call fails, with `after` when it was carried out.
    pub(crate) fn new(world: &World, fails_at: usize, after: bool) -> Arc<Self> {
        Arc::new(Self::with(world, fails_at, after, ExecutionState::Unknown))
    }

    /// Like [`FaultyPorts::new`], with executions that run.
    pub(crate) fn of_running_workflows(world: &World, fails_at: usize, after: bool) -> Arc<Self> {
        Arc::new(Self::with(world, fails_at, after, ExecutionState::Running))
    }

    fn with(world: &World, fails_at: usize, after: bool, execution: ExecutionState) -> Self {
        let hooks = Fault { calls: AtomicUsize::new(0), fails_at, after };
        let stored = Arc::new(Intercepted { store: world.store.clone(), hooks });
        let (blobs, live) = (Arc::clone(&world.blobs) as _, Arc::clone(&world.live) as _);
        Self { stored, blobs, live, execution, completed: AtomicUsize::new(0) }
    }

    /// The services of a world over these ports.
    pub(crate) fn services(self: &Arc<Self>, world: &World) -> Services {
        Services {
            workflows: Arc::clone(self) as _,
            blobs: Arc::clone(self) as _,
            live: Arc::clone(self) as _,
            ..self.stored.within(world.services())
        }
    }

    /// How often a waiting task was completed.
    pub(crate) fn completed(&self) -> usize {
        self.completed.load(Ordering::SeqCst)
    }

    /// Whether there were enough calls for one to fail.
    pub(crate) fn has_failed(&self) -> bool {
        let Fault { calls, fails_at, .. } = &self.stored.hooks;
        calls.load(Ordering::SeqCst) >= *fails_at
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, Unavailable>>) -> Result<T, Unavailable> {
        let entered = self.stored.hooks.enter().await?;
        let answer = call.await;
        self.stored.hooks.leave(entered).await?;
        answer
    }
}

#[async_trait]
impl Workflows for FaultyPorts {
    async fn start(&self, _execution: &ExecutionName) -> Result<(), Unavailable> {
        self.call(async { Ok(()) }).await
    }

    async fn complete(&self, _token: &TaskToken, _answer: &StepOutput) -> Result<bool, Unavailable> {
        let completed = async {
            self.completed.fetch_add(1, Ordering::SeqCst);
            Ok(true)
        };
        self.call(completed).await
    }

    async fn stop(&self, _execution: &ExecutionName, _cause: &str) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn state(&self, _execution: &ExecutionName) -> Result<ExecutionState, Unavailable> {
        Ok(self.execution)
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(async { self.stored.store.forget_executions(session) }).await
    }
}

#[async_trait]
impl Blobs for FaultyPorts {
    async fn put(&self, session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable> {
        self.blobs.put(session, content).await
    }

    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, BlobError> {
        self.blobs.get(session, digest).await
    }

    async fn delete(&self, session: &SessionId, digest: &Digest256) -> Result<(), Unavailable> {
        self.blobs.delete(session, digest).await
    }

    async fn delete_session(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(self.blobs.delete_session(session)).await
    }
}

#[async_trait]
impl LiveText for FaultyPorts {
    async fn show(&self, session: &SessionId, reply: &LiveReply) -> Result<(), Unavailable> {
        self.live.show(session, reply).await
    }

    async fn next(
        &self,
        session: &SessionId,
        seen: Option<&LiveReply>,
        timeout: Duration,
    ) -> Result<Option<LiveReply>, Unavailable> {
        self.live.next(session, seen, timeout).await
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(self.live.forget(session)).await
    }
}
