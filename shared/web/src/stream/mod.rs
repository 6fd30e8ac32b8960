//! Live streams: Server-Sent Events from the log.
//!
//! A [`feed`] follows the end of one session's log for all its subscribers in this process; a [`subscriber`] is one open stream
//! that reads from the feed at its own pace; a [`view`] is the format in which it shows what it reads.

mod ag_ui;
mod classic;
mod feed;
mod native;
mod options;
mod shutdown;
mod slots;
mod subscriber;
mod view;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use domain::commands::Services;
use domain::ports::LiveText;
use domain::{Principal, SessionId};
use http::{HeaderValue, header};

pub(crate) use options::{Deltas, Format, StreamOptions};
pub(crate) use slots::StreamSlot;

use crate::error::ApiError;
use crate::limits::Limits;
use feed::Feeds;
use shutdown::Shutdown;
use slots::StreamSlots;
use subscriber::Subscriber;

/// The open streams of this process.
#[derive(Clone)]
pub(crate) struct Streams {
    feeds: Arc<Feeds>,
    slots: Arc<StreamSlots>,
    shutdown: Shutdown,
    limits: Limits,
}

impl Streams {
    pub(crate) fn new(services: &Services, live: Arc<dyn LiveText>, limits: Limits) -> Self {
        let feeds = Arc::new(Feeds::new(services, live));
        Self { feeds, slots: Arc::default(), shutdown: Shutdown::default(), limits }
    }

    #[must_use]
    pub(crate) fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Acquires a slot among the principal's streams. A route does so before it changes anything, so that a request which is
    /// refused a stream has had no effect.
    pub(crate) fn acquire_slot(&self, principal: &Principal) -> Result<StreamSlot, ApiError> {
        self.slots.acquire(principal, self.limits.streams)
    }

    /// Opens a stream of a session.
    pub(crate) fn open(&self, slot: StreamSlot, session: &SessionId, options: StreamOptions) -> Response {
        let (feeds, shutdown) = (Arc::clone(&self.feeds), self.shutdown.clone());
        let subscriber = Subscriber::new(feeds, session, options, self.limits, shutdown, slot);
        let mut response = Response::new(Body::from_stream(subscriber.into_stream()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // Proxies must not cache, compress or buffer a stream. nginx buffers unless told so by a header of its own.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// Ends the open streams: the last frame of each says where to resume.
    pub(crate) fn shut_down(&self) {
        self.shutdown.begin();
    }
}
