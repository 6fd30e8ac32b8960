use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::forward::forward;
use crate::policy::reachable;
use crate::tunnel::Tunnel;
use crate::{Outside, Policy, Refusal, RequestLog, Target};

/// Connections at one time; further ones wait.
const MAX_CONNECTIONS: usize = 256;
/// Time for a request's head.
const MAX_HEAD_TIME: Duration = Duration::from_secs(60);
/// Time without accepting after the machine could not.
const PAUSE: Duration = Duration::from_millis(100);

type Body = BoxBody<Bytes, hyper::Error>;

/// The proxy of one sandbox.
#[derive(Clone)]
pub struct Proxy {
    policy: Arc<Policy>,
    outside: Arc<dyn Outside>,
    log: Arc<RequestLog>,
}

impl Proxy {
    pub fn new(policy: Policy, outside: Arc<dyn Outside>, log: RequestLog) -> Self {
        Self { policy: Arc::new(policy), outside, log: Arc::new(log) }
    }

    /// Serves until it is dropped, which ends every connection.
    pub async fn serve(self, listener: TcpListener) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= MAX_CONNECTIONS {
                connections.join_next().await;
            }
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((client, _)) => {
                    connections.spawn(self.clone().converse(client));
                }
                Err(error) => {
                    tracing::warn!(%error, "the sandbox's proxy cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// One connection, to its end.
    async fn converse(self, client: TcpStream) {
        let granted: Mutex<Option<Tunnel>> = Mutex::new(None);
        let service = service_fn(|request| self.answer(request, &granted));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(MAX_HEAD_TIME);
        let served = builder.serve_connection(TokioIo::new(client), service).with_upgrades().await;
        let tunnel = granted.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = match (served, tunnel) {
            (Ok(()), Some(tunnel)) => self.carry(tunnel).await,
            (Ok(()), None) => Ok(()),
            (Err(error), _) => Err(io::Error::other(error)),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection of the sandbox's proxy broke");
        }
    }

    async fn carry(&self, tunnel: Tunnel) -> io::Result<()> {
        let target = tunnel.target.clone();
        if let Some(refusal) = tunnel.carry().await? {
            self.log.record(&target, Some(&refusal));
        }
        Ok(())
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        granted: &Mutex<Option<Tunnel>>,
    ) -> Result<Response<Body>, Infallible> {
        let Some(target) = target_of(request.method(), request.uri()) else {
            let text = "this is a proxy: name a host, in CONNECT or in an address that begins with http://";
            return Ok(response(StatusCode::BAD_REQUEST, text));
        };
        let addresses = match self.permit(&target).await {
            Ok(addresses) => addresses,
            Err(refusal) => return Ok(refused(&target, &refusal)),
        };
        let unreachable = |error: &dyn fmt::Display| {
            response(StatusCode::BAD_GATEWAY, &format!("{target} is allowed and could not be reached: {error}"))
        };
        let server = match self.connect(&addresses).await {
            Ok(server) => server,
            Err(error) => return Ok(unreachable(&error)),
        };
        if request.method() == Method::CONNECT {
            let client = hyper::upgrade::on(request);
            *granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel { target, client, server });
            return Ok(Response::new(empty()));
        }
        Ok(match forward(request, &target, server).await {
            Ok(answer) => answer.map(BodyExt::boxed),
            Err(error) => unreachable(&error),
        })
    }

    /// Judges a host and records the judgement. Answers the addresses that may be connected to.
    async fn permit(&self, target: &Target) -> Result<Vec<SocketAddr>, Refusal> {
        let judged = match self.policy.judge(target) {
            Ok(()) => self.outside.resolve(target).await.map_err(|_| Refusal::Unresolved).and_then(reachable),
            Err(refusal) => Err(refusal),
        };
        if !self.log.record(target, judged.as_ref().err()) {
            return Err(Refusal::LogFull);
        }
        judged
    }

    /// Connects to the first address that answers.
    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses {
            match self.outside.connect(*address).await {
                Ok(server) => return Ok(server),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Proxy").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The host that the request line names.
fn target_of(method: &Method, uri: &Uri) -> Option<Target> {
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    match uri.scheme_str() {
        None if method == Method::CONNECT => Target::new(authority.host(), authority.port_u16()?),
        Some("http") if method != Method::CONNECT => {
            // A port that is no number is none, and must not be taken for the usual one.
            let port = match authority.port() {
                Some(port) => port.as_u16(),
                None if authority.as_str() == authority.host() => 80,
                None => return None,
            };
            Target::new(authority.host(), port)
        }
        Some(_) | None => None,
    }
}

/// Many clients show the status line only.
fn refused(target: &Target, refusal: &Refusal) -> Response<Body> {
    let text = format!("{target} is refused by the network policy of this session: {refusal}");
    let mut response = response(StatusCode::FORBIDDEN, &text);
    if let Ok(reason) = ReasonPhrase::try_from(Bytes::from(format!("Refused by network policy: {refusal}"))) {
        response.extensions_mut().insert(reason);
    }
    response
}

fn response(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{text}\n"))).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn empty() -> Body {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed()
}
