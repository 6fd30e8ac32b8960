//! The thread behind a collector.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use domain::Span;
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use tracing::{debug, info, warn};

use crate::Collector;
use crate::queue::{Batch, Queue};
use crate::span_data::span_data;

/// How long one request may take: OTLP's own default. A flush does not wait for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends spans to one collector, from a thread of its own.
#[derive(Debug)]
pub(crate) struct Export {
    queue: Arc<Queue>,
    scope: InstrumentationScope,
}

/// The HTTP client or the exporter over it could not be made.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

impl Export {
    /// Starts the thread. When that fails, spans are lost and the log says so: tracing never stops a session.
    pub(crate) fn start(collector: Collector, resource: Resource, scope: InstrumentationScope) -> Self {
        let queue = Arc::new(Queue::default());
        let sender = Sender(Arc::clone(&queue));
        // The closure owns the sender, so that the queue is ended also when the thread cannot be started.
        let thread = thread::Builder::new().name("trace-export".to_owned());
        if let Err(error) = thread.spawn(move || sender.run(collector, &resource)) {
            warn!(%error, "traces are not sent: no thread for it");
        }
        Self { queue, scope }
    }

    /// Hands over a span.
    pub(crate) fn emit(&self, span: Span) {
        self.queue.push(span_data(span, &self.scope));
    }

    /// Asks that everything handed over be sent now; the answer is for [`Export::wait`].
    pub(crate) fn ask(&self) -> u64 {
        self.queue.ask()
    }

    /// Waits until what was asked for is dealt with, or the deadline has passed.
    pub(crate) fn wait(&self, asked: u64, deadline: Instant) {
        self.queue.wait(asked, deadline);
    }

    /// Whether the last wait was in vain and another would be, too.
    pub(crate) fn is_stuck(&self) -> bool {
        self.queue.is_stuck()
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        // The thread is not joined: it may be in a request to a collector that never answers.
        self.queue.close();
    }
}

/// The sending end of a queue. Dropped, it ends the queue, also when the thread panics.
struct Sender(Arc<Queue>);

impl Sender {
    fn run(self, collector: Collector, resource: &Resource) {
        // Here and not earlier: the blocking client must be neither made nor dropped inside an async runtime.
        let exporter = match exporter(collector, resource) {
            Ok(exporter) => exporter,
            Err(error) => {
                warn!(%error, "traces are not sent");
                return;
            }
        };
        let mut failing = false;
        while let Some(Batch { spans, let_go }) = self.0.next_batch() {
            if let_go > 0 {
                warn!(spans = let_go, "traces are incomplete: the collector is slower than the spans come");
            }
            let count = spans.len();
            // With the blocking client the future is ready at its first poll; nothing else is driven here.
            let sent = futures_executor::block_on(exporter.export(spans));
            match &sent {
                Ok(()) if failing => info!("traces reach the collector again"),
                Ok(()) => {}
                // Once per outage: a collector that is away for an hour is not worth a line per batch.
                Err(error) if failing => debug!(%error, spans = count, "spans are lost"),
                Err(error) => {
                    warn!(%error, spans = count, "traces do not reach the collector, spans are lost")
                }
            }
            failing = sent.is_err();
            self.0.settle(count);
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn exporter(collector: Collector, resource: &Resource) -> Result<SpanExporter, StartError> {
    let local = collector.is_loopback();
    let client = Client::builder()
        .default_headers(collector.headers)
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        // A key in a header that is not `Authorization` would go along to wherever a redirect points.
        .redirect(Policy::none());
    let client = if local { client.no_proxy() } else { client };
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client.build()?)
        .with_endpoint(collector.endpoint)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(REQUEST_TIMEOUT)
        .build()?;
    exporter.set_resource(resource);
    Ok(exporter)
}
