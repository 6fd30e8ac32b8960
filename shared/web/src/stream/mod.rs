//! Live streams: Server-Sent Events out of the log.
//!
//! A `feed` follows the end of one session's log for all its viewers in this process; a `viewer` is one open stream, which takes
//! from the feed at its own pace; a `view` is the form in which it shows what it takes.

mod ag_ui;
mod classic;
mod feed;
mod native;
mod slots;
mod view;
mod viewer;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use domain::{Seq, SessionId};
use http::{HeaderValue, header};
use tokio::sync::watch;

pub(crate) use feed::Feeds;
pub(crate) use slots::{StreamSlot, StreamSlots};
pub(crate) use view::Format;

use crate::Api;
use crate::access::Caller;
use crate::error::ApiError;
use view::View;
use viewer::Viewer;

/// Tells open streams that the service goes down.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}

/// What a viewer wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub after: Seq,
    pub format: Format,
    pub deltas: Deltas,
}

/// Whether text is shown while it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deltas {
    Shown,
    Left,
}

/// Takes a place among the caller's streams: before anything is done for which a stream is the answer.
pub(crate) fn place(api: &Api, caller: &Caller) -> Result<StreamSlot, ApiError> {
    api.slots.take(&caller.principal, api.limits.streams)
}

/// Opens a stream of a session, in a place that was taken.
pub(crate) fn open(api: &Api, slot: StreamSlot, session: &SessionId, wanted: Wanted) -> Response {
    let viewer = Viewer::new(api, session, View::new(wanted.format, session), wanted, slot);
    let mut response = Response::new(Body::from_stream(viewer.into_stream()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies must neither keep nor hold back nor compress it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
