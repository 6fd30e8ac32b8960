//! The `Traces` port over the collectors and sinks that a composition root chooses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Span;
use domain::ports::Traces;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;

use crate::Collector;
use crate::exporter::Exporter;

/// Maximum duration of a flush or a drop, for all collectors together. `domain::ports::Traces` promises it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

const SERVICE_NAME: &str = "tiny-backspace";

/// The attributes that all spans of a process share.
#[derive(Debug, Clone)]
pub struct Service {
    /// `service.version`.
    pub version: String,
    /// `deployment.environment.name`, such as `production` or `local`.
    pub environment: String,
}

/// Sends each span to every collector and sink.
///
/// Dropping it flushes for at most two seconds. It does not wait for a collector on which a flush has given up.
pub struct Tracing {
    collectors: Vec<Exporter>,
    sinks: Vec<Arc<dyn Traces>>,
}

/// Builds a [`Tracing`].
pub struct TracingBuilder {
    service: Service,
    collectors: Vec<Collector>,
    sinks: Vec<Arc<dyn Traces>>,
}

impl Tracing {
    /// A builder without collectors and sinks.
    pub fn builder(service: Service) -> TracingBuilder {
        TracingBuilder { service, collectors: Vec::new(), sinks: Vec::new() }
    }

    /// Flushes the collectors that `is_included` selects.
    fn flush_collectors(&self, is_included: impl Fn(&Exporter) -> bool) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        // Every flush is requested before the first wait, so that the collectors are served in parallel.
        let requested: Vec<_> = self
            .collectors
            .iter()
            .filter(|collector| is_included(collector))
            .map(|collector| (collector, collector.request_flush()))
            .collect();
        for (collector, count) in requested {
            collector.wait(count, deadline);
        }
    }
}

impl Traces for Tracing {
    fn emit(&self, span: Span) {
        for sink in &self.sinks {
            sink.emit(span.clone());
        }
        for collector in &self.collectors {
            collector.emit(span.clone());
        }
    }

    fn flush(&self) {
        for sink in &self.sinks {
            sink.flush();
        }
        self.flush_collectors(|_| true);
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        self.flush_collectors(|collector| !collector.is_stalled());
    }
}

impl TracingBuilder {
    /// Adds a collector. [`TracingBuilder::build`] starts a thread for it.
    #[must_use]
    pub fn collector(mut self, collector: Collector) -> Self {
        self.collectors.push(collector);
        self
    }

    /// Adds a sink, such as a [`crate::Tree`]. It must not block.
    #[must_use]
    pub fn sink(mut self, sink: Arc<dyn Traces>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Starts the threads of the collectors. A collector is contacted only when there are spans; a failure to do so is
    /// logged.
    pub fn build(self) -> Tracing {
        let Service { version, environment } = self.service;
        // The default resource would read the environment.
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", SERVICE_NAME),
                KeyValue::new("service.version", version.clone()),
                KeyValue::new("deployment.environment.name", environment),
            ])
            .build();
        let scope = InstrumentationScope::builder(SERVICE_NAME).with_version(version).build();
        let start = |collector| Exporter::start(collector, resource.clone(), scope.clone());
        Tracing { collectors: self.collectors.into_iter().map(start).collect(), sinks: self.sinks }
    }
}
