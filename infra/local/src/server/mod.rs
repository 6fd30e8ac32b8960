//! `backspace serve`: the HTTP API, with the drivers of its sessions.

mod connection;
mod dispatcher;
mod pulls;
mod socket;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use asl::Interpreter;
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::{AccessPolicy, AnonymousAccess, Api, Hosts, Limits};

use crate::owner::owner;
use crate::world::World;
use connection::Listener;
use dispatcher::Dispatcher;

pub(crate) use socket::{ServerLock, socket_path};

/// Origin of the console's development server.
const CONSOLE_ORIGIN: &str = "http://localhost:5173";

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Host names under which clients reach the server, besides those of the loopback.
    pub hosts: Vec<String>,
    pub tokens: TokenPolicy,
    pub limits: Limits,
}

/// Whether requests need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPolicy {
    Required,
    /// On a loopback address a request without a token is the local owner's. On any other address tokens are required.
    OptionalOnLoopback,
}

/// A running server.
pub struct Server {
    /// The address it listens on.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    api: Api,
    _lock: ServerLock,
}

/// The API over a world. Without an interpreter it starts no sessions; the error says why.
pub(crate) fn api(
    world: &World,
    interpreter: &Result<Arc<Interpreter>, String>,
    limits: Limits,
) -> anyhow::Result<Api> {
    let setup = match interpreter {
        Ok(_) => Ok(world.setup()?),
        Err(reason) => Err(reason.clone()),
    };
    let model = world.settings.model.clone();
    let (blobs, forge, live) = (Arc::clone(&world.blobs), Arc::clone(&world.forge), Arc::clone(&world.live));
    let api = Api::new(world.services(), blobs, forge, live, setup, model);
    Ok(api.with_limits(limits).with_defaults(world.settings.max_cost, world.settings.network))
}

/// The routes for callers who may use the program's directory: every request without a token is the owner's.
pub(crate) fn owner_router(world: &Arc<World>, api: &Api) -> anyhow::Result<axum::Router> {
    let policy = AccessPolicy { anonymous: AnonymousAccess::As(owner()?), hosts: Hosts::Any, origins: Vec::new() };
    Ok(web::router(api, policy, pulls::routes(Arc::clone(world))))
}

impl Server {
    /// Serves a world on a listener and on the socket in its directory. With an interpreter it also drives the world's
    /// unfinished sessions.
    ///
    /// # Errors
    ///
    /// When another server runs for the directory, or its socket cannot be created.
    pub async fn start(
        world: Arc<World>,
        interpreter: Result<Arc<Interpreter>, String>,
        listener: TcpListener,
        options: ServerOptions,
    ) -> anyhow::Result<Self> {
        raise_file_limit();
        let address = listener.local_addr()?;
        let api = api(&world, &interpreter, options.limits)?;
        let lock = ServerLock::acquire(&world.settings.home)?;
        let anonymous = match options.tokens {
            TokenPolicy::OptionalOnLoopback if address.ip().is_loopback() => AnonymousAccess::As(owner()?),
            TokenPolicy::OptionalOnLoopback | TokenPolicy::Required => AnonymousAccess::Refused,
        };
        let mut hosts = options.hosts;
        if !address.ip().is_unspecified() {
            hosts.push(address.to_string());
        }
        let policy =
            AccessPolicy { anonymous, hosts: Hosts::LoopbackOr(hosts), origins: vec![CONSOLE_ORIGIN.to_owned()] };
        let router = web::router(&api, policy, pulls::routes(Arc::clone(&world)));
        world.forge.serve_pages_at(format!("http://{}", reachable(address)));
        let stop = watch::Sender::new(false);
        let mut tasks = vec![tokio::spawn(connection::serve(Listener::Tcp(listener), router, stop.subscribe()))];
        let unix =
            lock.listen().with_context(|| format!("cannot create a socket in {}", world.settings.home.display()))?;
        let owner_router = owner_router(&world, &api)?;
        tasks.push(tokio::spawn(connection::serve(Listener::Unix(unix), owner_router, stop.subscribe())));
        if let Ok(interpreter) = interpreter {
            let dispatcher = Dispatcher::new(world, interpreter);
            tasks.push(tokio::spawn(dispatcher.run(stop.subscribe())));
        }
        Ok(Self { address, stop, tasks, api, _lock: lock })
    }

    /// Stops the server. Streams end with a frame that says where to resume, and sessions stay at their stored positions for
    /// the next server.
    pub async fn shut_down(self) {
        self.api.shut_down();
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a task of the server panicked");
            }
        }
    }
}

/// An address at which clients on this machine reach the server, also when it listens on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        ip if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// Raises the soft limit on open files to the hard limit: every viewer needs one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit on open files was not raised");
    }
}
