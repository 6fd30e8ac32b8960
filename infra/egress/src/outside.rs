use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::Target;

/// Time for a name to resolve, and for each address to be connected to.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// What is beyond the proxy. It judges nothing.
#[async_trait]
pub trait Outside: Send + Sync {
    /// The addresses of a host, which may be given by an address already.
    async fn resolve(&self, target: &Target) -> io::Result<Vec<SocketAddr>>;

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// The network of the machine, with its own resolver.
#[derive(Clone, Copy, Debug)]
pub struct Internet;

#[async_trait]
impl Outside for Internet {
    async fn resolve(&self, target: &Target) -> io::Result<Vec<SocketAddr>> {
        Ok(timeout(MAX_WAIT, lookup_host((target.host(), target.port()))).await??.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        timeout(MAX_WAIT, TcpStream::connect(address)).await?
    }
}
