//! What the handlers of requests share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::bill::Charge;
use super::cache::Cache;
use super::diagnostics::SentRequests;
use super::fault::FaultCounts;
use super::gate::Hold;
use super::request_log::RequestLog;
use super::script::Script;
use super::settings::Settings;

pub(crate) struct State {
    pub(crate) script: Script,
    pub(crate) settings: Settings,
    /// Becomes true, or loses its sender, when the server shuts down.
    pub(crate) shutdown: watch::Receiver<bool>,
    memory: Mutex<Memory>,
}

/// Everything that is remembered from request to request.
pub(crate) struct Memory {
    pub(crate) cache: Cache,
    pub(crate) fault_counts: FaultCounts,
    pub(crate) requests: RequestLog,
    /// Each holds one of the next replies, in this order.
    pub(crate) holds: VecDeque<Hold>,
    /// Makes the next `request-id`.
    pub(crate) answered: u64,
    pub(crate) sent: SentRequests,
    pub(crate) bill: Vec<Charge>,
}

impl State {
    pub(crate) fn new(script: Script, settings: Settings, shutdown: watch::Receiver<bool>) -> Self {
        let memory = Memory {
            cache: Cache::default(),
            fault_counts: FaultCounts::default(),
            requests: RequestLog::new(settings.max_recorded_requests),
            holds: VecDeque::new(),
            answered: 0,
            sent: SentRequests::default(),
            bill: Vec::new(),
        };
        Self { script, settings, shutdown, memory: Mutex::new(memory) }
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic cannot leave the memory half changed: each holder of the lock makes a single call.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("State").finish_non_exhaustive()
    }
}
