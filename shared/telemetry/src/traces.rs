//! The port for spans, over whatever sinks a composition root chose.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Span;
use domain::ports::Traces;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;

use crate::Collector;
use crate::export::Export;

/// How long a flush, or the drop, may take, all collectors together. `domain::ports::Traces` promises it.
const PATIENCE: Duration = Duration::from_secs(2);

const SERVICE_NAME: &str = "tiny-backspace";

/// What all spans of a process say about where they come from.
#[derive(Debug, Clone)]
pub struct Service {
    /// `service.version`.
    pub version: String,
    /// `deployment.environment.name`, such as `production` or `local`.
    pub environment: String,
}

/// Hands each span to every sink. Without sinks it does nothing.
///
/// Dropping it flushes, within the same two seconds; a collector that a flush gave up on is not waited for again.
pub struct Tracing {
    collectors: Vec<Export>,
    sinks: Vec<Arc<dyn Traces>>,
}

/// Collects what a [`Tracing`] is made of.
pub struct TracingBuilder {
    service: Service,
    collectors: Vec<Collector>,
    sinks: Vec<Arc<dyn Traces>>,
}

impl Tracing {
    /// Begins without any sink.
    pub fn builder(service: Service) -> TracingBuilder {
        TracingBuilder { service, collectors: Vec::new(), sinks: Vec::new() }
    }

    fn wait_for(&self, collectors: impl Fn(&Export) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        // All are asked before one is waited for, so that they send at the same time.
        let asked: Vec<_> =
            self.collectors.iter().filter(|each| collectors(each)).map(|each| (each, each.ask())).collect();
        for (collector, asked) in asked {
            collector.wait(asked, deadline);
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
        self.wait_for(|_| true);
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        self.wait_for(|collector| !collector.is_stuck());
    }
}

impl TracingBuilder {
    /// Sends spans to this collector, from a thread that is started with [`TracingBuilder::build`].
    #[must_use]
    pub fn collector(mut self, collector: Collector) -> Self {
        self.collectors.push(collector);
        self
    }

    /// Hands spans to this sink too: a [`crate::Tree`], a [`crate::Collected`] or another, which must not block.
    #[must_use]
    pub fn sink(mut self, sink: Arc<dyn Traces>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Starts what was asked for. A collector is not contacted before there are spans, and one that cannot be used is
    /// told in the log.
    pub fn build(self) -> Tracing {
        let Service { version, environment } = self.service;
        // Empty to begin with: the default would read the environment.
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", SERVICE_NAME),
                KeyValue::new("service.version", version.clone()),
                KeyValue::new("deployment.environment.name", environment),
            ])
            .build();
        let scope = InstrumentationScope::builder(SERVICE_NAME).with_version(version).build();
        let start = |collector| Export::start(collector, resource.clone(), scope.clone());
        Tracing { collectors: self.collectors.into_iter().map(start).collect(), sinks: self.sinks }
    }
}
