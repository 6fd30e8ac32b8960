//! The server and what a test can do with it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bill::Charge;
use super::cache::Cache;
use super::connection::{Connections, Cut};
use super::diagnostics::Known;
use super::fault::Struck;
use super::gate::{Gate, Hold};
use super::kept;
use super::recorded::{Record, Recorded};
use super::route;
use super::script::Script;

/// How the server behaves beside its script.
pub struct Settings {
    /// The only key that is taken; any when none is given.
    pub accepted_key: Option<String>,
    /// Characters of a delta.
    pub piece_size: usize,
    /// The pause between events, for an eye that watches.
    pub pace: Duration,
    /// How many requests are kept for [`Server::requests`].
    pub keep_requests: usize,
    /// The time since some moment, by which the prompt cache ages.
    pub clock: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Where the bodies that our own client sent and the server accepted are kept, each once; the directory has to be there.
    pub keep_bodies: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        let start = Instant::now();
        Self {
            accepted_key: None,
            piece_size: 24,
            pace: Duration::ZERO,
            keep_requests: 256,
            clock: Arc::new(move || start.elapsed()),
            keep_bodies: kept::directory(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("piece_size", &self.piece_size).finish_non_exhaustive()
    }
}

/// A server at work. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What the requests share.
pub(crate) struct State {
    pub(crate) script: Script,
    pub(crate) settings: Settings,
    pub(crate) shutdown: watch::Receiver<bool>,
    changing: Mutex<Changing>,
}

pub(crate) struct Changing {
    pub(crate) cache: Cache,
    pub(crate) struck: Struck,
    pub(crate) record: Record,
    pub(crate) holds: VecDeque<Hold>,
    pub(crate) answered: u64,
    pub(crate) known: Known,
    pub(crate) bill: Vec<Charge>,
}

impl State {
    pub(crate) fn changing(&self) -> MutexGuard<'_, Changing> {
        // No change is left half done by a panic: each is a single call.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("State").finish_non_exhaustive()
    }
}

impl Server {
    /// Serves on a listener, in the runtime of the caller.
    pub fn start(listener: TcpListener, script: Script, settings: Settings) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (shutdown, mut is_shut_down) = watch::channel(false);
        let changing = Changing {
            cache: Cache::default(),
            struck: Struck::default(),
            record: Record::new(settings.keep_requests),
            holds: VecDeque::new(),
            answered: 0,
            known: Known::default(),
            bill: Vec::new(),
        };
        let changing = Mutex::new(changing);
        let state = Arc::new(State { script, settings, shutdown: is_shut_down.clone(), changing });
        let router = route::router(Arc::clone(&state));
        let service = router.into_make_service_with_connect_info::<Cut>();
        let task = tokio::spawn(async move {
            let until = async move {
                // A dropped sender is a shutdown too.
                let _ = is_shut_down.wait_for(|down| *down).await;
            };
            if let Err(error) = axum::serve(Connections(listener), service).with_graceful_shutdown(until).await {
                tracing::warn!(%error, "the Claude stand-in ended");
            }
        });
        Ok(Self { address, state, shutdown, task })
    }

    /// Listens at an address, such as `127.0.0.1:0` for any free port, and serves.
    pub async fn bind(address: impl ToSocketAddrs, script: Script, settings: Settings) -> io::Result<Self> {
        Self::start(TcpListener::bind(address).await?, script, settings)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The latest requests, oldest first, refused ones included.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.changing().record.all()
    }

    /// What the service would bill, a charge for each reply that was begun. A caller that goes away pays for the whole reply.
    pub fn bill(&self) -> Vec<Charge> {
        self.state.changing().bill.clone()
    }

    /// Holds the next reply after so many pieces of its stream. Several gates hold the next several replies.
    pub fn hold_next(&self, after_pieces: usize) -> Gate {
        let (gate, hold) = Gate::new(after_pieces);
        self.state.changing().holds.push_back(hold);
        gate
    }

    /// Cuts what is being sent and waits until all connections are closed.
    pub async fn shutdown(self) {
        // The task may have ended by itself; either way it is over.
        let _ = self.shutdown.send(true);
        let _ = self.task.await;
    }
}
