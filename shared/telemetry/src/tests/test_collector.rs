//! A collector on the loopback interface that accepts one connection.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

/// A collector that records the requests it receives.
pub(super) struct TestCollector {
    pub(super) address: String,
    requests: Receiver<Request>,
}

/// One export request.
pub(super) struct Request {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: ExportTraceServiceRequest,
}

impl TestCollector {
    /// Answers each request with 200 until the client disconnects.
    pub(super) fn start() -> Self {
        Self::answering("200 OK\r\ncontent-type: application/x-protobuf".to_owned())
    }

    /// Redirects each request to another collector.
    pub(super) fn redirecting(to: &Self) -> Self {
        Self::answering(format!("307 Temporary Redirect\r\nlocation: {}/v1/traces", to.address))
    }

    fn answering(answer: String) -> Self {
        let (listener, address) = listen();
        let (sender, requests) = channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(stream, &sender, &answer);
        });
        Self { address, requests }
    }

    /// The next request. It must have arrived already, because a flush or a drop waits for it.
    pub(super) fn next(&self) -> Request {
        self.requests.try_recv().unwrap()
    }

    /// The requests that have arrived since the last call.
    pub(super) fn received(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

/// A collector that accepts connections, through the system's backlog, and never answers.
pub(super) fn hanging() -> (TcpListener, String) {
    listen()
}

/// An address at which no process listens.
pub(super) fn unreachable() -> String {
    listen().1
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

fn serve(stream: TcpStream, requests: &Sender<Request>, answer: &str) {
    let mut answers = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        // The test may have ended and dropped the receiver.
        let _ = requests.send(request);
        write!(answers, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let line = lines.next()?;
    let headers: BTreeMap<_, _> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        })
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Some(Request { line, headers, body: ExportTraceServiceRequest::decode(body.as_slice()).unwrap() })
}
