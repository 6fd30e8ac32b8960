//! Accepts connections and serves the router on them, with an eye on those who are slow.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(15);

/// How long a connection may take nothing of what is there for it. Then its reader is cut off, and comes back to where it was.
const SLOWEST: Duration = Duration::from_secs(30);

/// How long open connections have to end when the server does.
const FAREWELL: Duration = Duration::from_secs(3);

/// More connections than this wait until others are over.
const MAX_CONNECTIONS: usize = 8000;

/// More headers than this are not even read.
const MAX_HEADERS: usize = 128;

/// Longer heads are not even read, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Where connections come from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Serves until `stop` says so.
pub(super) async fn serve(listener: Listener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let told = stop.clone();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        let accepted = tokio::select! {
            accepted = accept(&listener, &router, &told, &mut connections) => accepted,
            () = until(&mut stop) => break,
        };
        if let Err(error) = accepted {
            // Out of files, most likely: others have to end first.
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        tracing::debug!("connections were cut at the end");
    }
}

/// Returns when the server is to end.
pub(super) async fn until(stop: &mut watch::Receiver<bool>) {
    // Who would have said so is gone: that is an end, too.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn accept(
    listener: &Listener,
    router: &Router,
    stop: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) -> io::Result<()> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // Frames are small and late ones are worth nothing.
            stream.set_nodelay(true)?;
            connections.spawn(converse(stream, router.clone(), stop.clone()));
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            connections.spawn(converse(stream, router.clone(), stop.clone()));
        }
    }
    Ok(())
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(SLOWEST));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(false)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = until(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Viewers come and go; that is no fault.
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::{Instant, timeout};

    use super::*;

    /// A connection to a service that never stops talking, with room for a kilobyte that nobody has read.
    fn connect() -> (DuplexStream, tokio::task::JoinHandle<()>, watch::Sender<bool>) {
        let endless = || async {
            let piece = Ok::<_, Infallible>(bytes::Bytes::from_static(&[b'x'; 1024]));
            Body::from_stream(futures_util::stream::repeat(piece))
        };
        let router = Router::new().route("/", get(endless));
        let (near, far) = tokio::io::duplex(1024);
        let (stop, stopped) = watch::channel(false);
        (near, tokio::spawn(converse(far, router, stopped)), stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_cut_off_and_a_slow_one_is_not() {
        let (mut near, conversation, _stop) = connect();
        near.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        for _ in 0..5 {
            tokio::time::sleep(SLOWEST / 2).await;
            assert_eq!(near.read(&mut [0; 1024]).await.unwrap(), 1024);
        }
        assert!(begun.elapsed() > SLOWEST && !conversation.is_finished(), "it took something all the time");
        timeout(SLOWEST * 2, conversation).await.expect("it is cut off").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_comes_to_its_end_is_not_waited_for() {
        let (mut near, conversation, _stop) = connect();
        near.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        timeout(HEAD * 2, conversation).await.expect("it is given up").unwrap();
    }
}
