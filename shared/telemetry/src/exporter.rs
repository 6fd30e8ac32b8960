//! Sends spans to one collector from a background thread.

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

/// Time-out of one request: OTLP's default. A flush gives up earlier.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Time-out for establishing the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The front of the background thread: takes spans without blocking.
#[derive(Debug)]
pub(crate) struct Exporter {
    queue: Arc<Queue>,
    scope: InstrumentationScope,
}

/// The HTTP client or the OTLP exporter could not be created.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

impl Exporter {
    /// Starts the thread. If that fails, spans are lost and the log says so: tracing must not stop a session.
    pub(crate) fn start(collector: Collector, resource: Resource, scope: InstrumentationScope) -> Self {
        let queue = Arc::new(Queue::default());
        let sender = Sender(Arc::clone(&queue));
        // The closure owns the sender, so that dropping it ends the queue even when the thread cannot be started.
        let thread = thread::Builder::new().name("trace-export".to_owned());
        if let Err(error) = thread.spawn(move || sender.run(collector, &resource)) {
            warn!(%error, "traces are not sent: the export thread could not be started");
        }
        Self { queue, scope }
    }

    /// Queues a span.
    pub(crate) fn emit(&self, span: Span) {
        self.queue.push(span_data(span, &self.scope));
    }

    /// Requests that all queued spans are sent now. [`Exporter::wait`] takes the returned count.
    pub(crate) fn request_flush(&self) -> u64 {
        self.queue.request_flush()
    }

    /// Waits until the requested flush is done or the deadline has passed.
    pub(crate) fn wait(&self, count: u64, deadline: Instant) {
        self.queue.wait(count, deadline);
    }

    /// Whether the last wait timed out and the thread has made no progress since.
    pub(crate) fn is_stalled(&self) -> bool {
        self.queue.is_stalled()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // The thread is not joined, because it may be waiting for a collector that never answers.
        self.queue.close();
    }
}

/// The background thread's side of the queue. Dropping it ends the queue, so the queue also ends when the thread panics.
struct Sender(Arc<Queue>);

impl Sender {
    fn run(self, collector: Collector, resource: &Resource) {
        // The blocking client is created here, because it must be neither created nor dropped inside an async runtime.
        let exporter = match otlp_exporter(collector, resource) {
            Ok(exporter) => exporter,
            Err(error) => {
                warn!(%error, "traces are not sent");
                return;
            }
        };
        let mut failing = false;
        while let Some(Batch { spans, dropped }) = self.0.next_batch() {
            if dropped > 0 {
                warn!(spans = dropped, "traces are incomplete: spans were dropped because the collector is too slow");
            }
            let count = spans.len();
            // With the blocking client, the future completes at its first poll, so no async runtime is needed.
            let sent = futures_executor::block_on(exporter.export(spans));
            match &sent {
                Ok(()) if failing => info!("traces are sent again"),
                Ok(()) => {}
                // One warning per outage: an hour without a collector must not log a line for each batch.
                Err(error) if failing => debug!(%error, spans = count, "spans are lost"),
                Err(error) => {
                    warn!(%error, spans = count, "traces cannot be sent, spans are lost")
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

fn otlp_exporter(collector: Collector, resource: &Resource) -> Result<SpanExporter, StartError> {
    let is_loopback = collector.is_loopback();
    let client = Client::builder()
        .default_headers(collector.headers)
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        // On a redirect, reqwest would send custom headers, and the keys in them, to the other host.
        .redirect(Policy::none());
    let client = if is_loopback { client.no_proxy() } else { client };
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
