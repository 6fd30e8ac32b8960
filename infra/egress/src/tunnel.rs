//! Tunnels: bytes in both directions, once they have begun with TLS to the host that was named.

use std::io;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Refusal, Target};

/// Time for the client's first message.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// More than any client's first message.
const MAX_HELLO_BYTES: usize = 64 << 10;

/// A tunnel that was granted and has not begun.
pub(crate) struct Tunnel {
    pub(crate) target: Target,
    pub(crate) client: OnUpgrade,
    pub(crate) server: TcpStream,
}

impl Tunnel {
    /// Carries bytes until one side has closed. Answers why it was refused, if it was.
    pub(crate) async fn carry(mut self) -> io::Result<Option<Refusal>> {
        let client = self.client.await.map_err(io::Error::other)?;
        let mut client = TokioIo::new(client);
        let Some(hello) = timeout(MAX_WAIT, hello(&mut client)).await?? else { return Ok(Some(Refusal::NotTls)) };
        // Without a name the server that was connected to decides.
        let is_other = |name: &String| !self.target.host().eq_ignore_ascii_case(name.trim_end_matches('.'));
        if !self.target.is_address() && hello.server_name.as_ref().is_some_and(is_other) {
            return Ok(Some(Refusal::OtherServerName));
        }
        self.server.write_all(&hello.bytes).await?;
        copy_bidirectional(&mut client, &mut self.server).await?;
        Ok(None)
    }
}

struct Hello {
    /// All that was read.
    bytes: Vec<u8>,
    server_name: Option<String>,
}

/// Reads a client's first message. None when it is not TLS.
async fn hello(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Hello>> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while bytes.len() < MAX_HELLO_BYTES {
        let read = client.read(&mut chunk).await?;
        if read == 0 {
            return Ok(None);
        }
        let mut unread = &chunk[..read];
        bytes.extend_from_slice(unread);
        while !unread.is_empty() {
            if acceptor.read_tls(&mut unread)? == 0 {
                return Ok(None);
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let server_name = accepted.client_hello().server_name().map(str::to_owned);
                    return Ok(Some(Hello { bytes, server_name }));
                }
                Err(_) => return Ok(None),
            }
        }
    }
    Ok(None)
}
