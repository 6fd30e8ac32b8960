//! The server and what a test can ask of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::bill::Charge;
use super::connection::{Abort, AbortableListener};
use super::gate::Gate;
use super::request_log::RecordedRequest;
use super::route;
use super::script::Script;
use super::settings::Settings;
use super::state::State;

/// A running server. Dropping it shuts it down.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves on a listener, as a task of the caller's runtime.
    pub fn start(listener: TcpListener, script: Script, settings: Settings) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (shutdown, mut shutdown_signal) = watch::channel(false);
        let state = Arc::new(State::new(script, settings, shutdown_signal.clone()));
        let service = route::router(Arc::clone(&state)).into_make_service_with_connect_info::<Abort>();
        let task = tokio::spawn(async move {
            let until_shutdown = async move {
                // An error means that the sender was dropped, with the server: that is a shutdown, too.
                let _ = shutdown_signal.wait_for(|is_shut_down| *is_shut_down).await;
            };
            let listener = AbortableListener(listener);
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(until_shutdown).await {
                tracing::warn!(%error, "the Claude stand-in stopped serving");
            }
        });
        Ok(Self { address, state, shutdown, task })
    }

    /// Listens at an address, such as `127.0.0.1:0` for any free port, and serves.
    pub async fn bind(address: impl ToSocketAddrs, script: Script, settings: Settings) -> io::Result<Self> {
        Self::start(TcpListener::bind(address).await?, script, settings)
    }

    /// The address it listens at.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The latest requests, oldest first, including those that were refused.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.memory().requests.all()
    }

    /// What the service would bill: one charge for each reply that was begun. A client that disconnects pays for the complete
    /// reply.
    pub fn bill(&self) -> Vec<Charge> {
        self.state.memory().bill.clone()
    }

    /// Holds the next reply after `after_pieces` pieces of its stream. Several gates hold the next replies in turn.
    pub fn hold_next(&self, after_pieces: usize) -> Gate {
        let (gate, hold) = Gate::new(after_pieces);
        self.state.memory().holds.push_back(hold);
        gate
    }

    /// Cuts off the replies that are being sent and waits until all connections are closed.
    pub async fn shutdown(self) {
        // Either call fails only if the task has already ended.
        let _ = self.shutdown.send(true);
        let _ = self.task.await;
    }
}
