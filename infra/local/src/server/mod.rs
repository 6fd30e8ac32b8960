//! `backspace serve`: the HTTP face of the one-machine world, with the drivers of its sessions.

mod connection;
mod dispatcher;
mod pulls;
mod socket;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use asl::Interpreter;
use domain::Principal;
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::{AccessPolicy, AnonymousAccess, Api, Hosts, Limits};

use crate::world::World;
use dispatcher::Dispatcher;

pub(crate) use socket::{Presence, socket_path};

/// The principal of whoever sits at this machine.
pub(crate) const OWNER: &str = "local";

/// Where the console is served while it is worked on.
const CONSOLE: &str = "http://localhost:5173";

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names besides those of the loopback under which it is reached.
    pub hosts: Vec<String>,
    /// Whether requests need a token.
    pub tokens: Tokens,
    /// Bounds of the service.
    pub limits: Limits,
}

/// Whether requests need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// They do. Beyond the loopback they always do.
    Needed,
    /// Whoever reaches the loopback of this machine is its owner.
    NotNeeded,
}

/// A server that runs.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    api: Api,
    _presence: Option<Presence>,
}

/// The service over a world. Without an interpreter no session can be started, and `reason` says why.
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
    Ok(api.with_limits(limits).with_default_cost(world.settings.max_cost))
}

/// The service for whoever may use this directory anyway.
pub(crate) fn own_router(world: &Arc<World>, api: &Api) -> anyhow::Result<axum::Router> {
    let owner: Principal = OWNER.parse()?;
    let policy = AccessPolicy { anonymous: AnonymousAccess::As(owner), hosts: Hosts::Any, origins: Vec::new() };
    Ok(web::router(api, policy, pulls::routes(Arc::clone(world))))
}

impl Server {
    /// Serves a world on a listener, and to whoever may use its directory on a socket in it. Takes up the sessions that are not
    /// over; only where there is an interpreter.
    pub async fn start(
        world: Arc<World>,
        interpreter: Result<Arc<Interpreter>, String>,
        listener: TcpListener,
        options: Options,
    ) -> anyhow::Result<Self> {
        raise_file_limit();
        let address = listener.local_addr()?;
        let api = api(&world, &interpreter, options.limits)?;
        let presence = Presence::take(&world.settings.home)?;
        let anonymous = match options.tokens {
            Tokens::NotNeeded if address.ip().is_loopback() => AnonymousAccess::As(OWNER.parse::<Principal>()?),
            Tokens::NotNeeded | Tokens::Needed => AnonymousAccess::Refused,
        };
        let mut hosts = options.hosts;
        if !address.ip().is_unspecified() {
            hosts.push(address.to_string());
        }
        let policy = AccessPolicy { anonymous, hosts: Hosts::LoopbackOr(hosts), origins: vec![CONSOLE.to_owned()] };
        let router = web::router(&api, policy, pulls::routes(Arc::clone(&world)));
        world.forge.serve_pages_at(format!("http://{}", reachable(address)));
        let stop = watch::Sender::new(false);
        let mut tasks =
            vec![tokio::spawn(connection::serve(connection::Listener::Tcp(listener), router, stop.subscribe()))];
        let unix = presence.listen().context("cannot listen on the socket in the program's directory")?;
        let own = own_router(&world, &api)?;
        tasks.push(tokio::spawn(connection::serve(connection::Listener::Unix(unix), own, stop.subscribe())));
        if let Ok(interpreter) = interpreter {
            let dispatcher = Dispatcher::new(world, interpreter);
            tasks.push(tokio::spawn(dispatcher.run(stop.subscribe())));
        }
        Ok(Self { address, stop, tasks, api, _presence: Some(presence) })
    }

    /// Ends the server: streams say where to go on, sessions stay where they are and are taken up by the next one.
    pub async fn shut_down(self) {
        self.api.shut_down();
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a part of the server did not end well");
            }
        }
    }
}

/// An address that others can use: who listens everywhere is here, too.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        ip if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// Each viewer is an open file. What the system allows at most is taken.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
}
