//! The server and what a test can do with it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::cache::Cache;
use super::fault::Struck;
use super::gate::{Gate, Hold};
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
        };
        let changing = Mutex::new(changing);
        let state = Arc::new(State { script, settings, shutdown: is_shut_down.clone(), changing });
        let router = route::router(Arc::clone(&state));
        // Pieces go out as they are made; waiting for the client's acknowledgement costs 40 ms a reply.
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY was not set");
            }
        });
        let task = tokio::spawn(async move {
            let until = async move {
                // A dropped sender is a shutdown too.
                let _ = is_shut_down.wait_for(|down| *down).await;
            };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
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
