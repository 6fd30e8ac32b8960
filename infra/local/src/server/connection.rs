//! Accepts connections and serves the router on them, with time limits for slow clients.

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

/// Time limit for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a client may read nothing while output is pending. Then its connection is closed; a viewer resumes its stream at
/// the last event it has read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long open connections may take to end at a shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum open connections. Further ones are accepted when others end.
const MAX_CONNECTIONS: usize = 8000;

/// Maximum headers that hyper reads. The limit that clients are told about is lower and stands in `web`.
const MAX_HEADERS: usize = 128;

/// Maximum size of a request's head that hyper reads, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Serves until `stop` is set, then ends the open connections.
pub(super) async fn serve(listener: Listener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let connection_stop = stop.clone();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        let accepted = tokio::select! {
            accepted = accept(&listener, &router, &connection_stop, &mut connections) => accepted,
            () = stopped(&mut stop) => break,
        };
        if let Err(error) = accepted {
            // Usually the process has no file descriptors left, until other connections end.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, all).await.is_err() {
        tracing::debug!("open connections were closed at the shutdown");
    }
}

/// Returns when `stop` is set, or its sender is gone.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
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
            // Frames of a stream are small and should arrive at once, so Nagle's algorithm is off.
            stream.set_nodelay(true)?;
            connections.spawn(serve_connection(stream, router.clone(), stop.clone()));
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            connections.spawn(serve_connection(stream, router.clone(), stop.clone()));
        }
    }
    Ok(())
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(false)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Viewers disconnect all the time.
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

    /// A connection to a service that sends without end, over a pipe that buffers a kilobyte.
    fn connect() -> (DuplexStream, tokio::task::JoinHandle<()>, watch::Sender<bool>) {
        let endless = || async {
            let piece = Ok::<_, Infallible>(bytes::Bytes::from_static(&[b'x'; 1024]));
            Body::from_stream(futures_util::stream::repeat(piece))
        };
        let router = Router::new().route("/", get(endless));
        let (near, far) = tokio::io::duplex(1024);
        let (stop, stopped) = watch::channel(false);
        (near, tokio::spawn(serve_connection(far, router, stopped)), stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut_off_and_a_slow_one_is_not() {
        let (mut near, connection, _stop) = connect();
        near.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let started = Instant::now();
        for _ in 0..5 {
            tokio::time::sleep(WRITE_TIMEOUT / 2).await;
            assert_eq!(near.read(&mut [0; 1024]).await.unwrap(), 1024);
        }
        assert!(started.elapsed() > WRITE_TIMEOUT && !connection.is_finished(), "it read all the time");
        timeout(WRITE_TIMEOUT * 2, connection).await.expect("it is closed").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_head_never_ends_is_given_up() {
        let (mut near, connection, _stop) = connect();
        near.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        timeout(HEAD_TIMEOUT * 2, connection).await.expect("it is closed").unwrap();
    }
}
