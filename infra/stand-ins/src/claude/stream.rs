//! The body of a streamed reply, with its fault.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;

use super::api_error::ApiError;
use super::fault::{Fault, FaultKind};
use super::gate::Hold;
use super::wire;

/// How a stream ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    /// The connection is aborted.
    Cut,
    /// The connection stays open, without further events.
    Stall,
}

/// A stream that is being sent.
struct Playback {
    pieces: VecDeque<Bytes>,
    sent: usize,
    end: End,
    hold: Option<Hold>,
    pace: Duration,
    shutdown: watch::Receiver<bool>,
}

/// A body that sends the events one by one.
pub(crate) fn body(
    events: Vec<String>,
    fault: Option<&Fault>,
    request_id: &str,
    hold: Option<Hold>,
    pace: Duration,
    shutdown: watch::Receiver<bool>,
) -> Body {
    let (pieces, end) = apply_fault(events, fault, request_id);
    let playback = Playback { pieces: pieces.into(), sent: 0, end, hold, pace, shutdown };
    Body::from_stream(stream::unfold(Some(playback), |playback| async {
        let mut playback = playback?;
        let piece = playback.next().await?;
        let continues = piece.is_ok();
        Some((piece, continues.then_some(playback)))
    }))
}

impl Playback {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.hold.as_ref().is_some_and(|hold| hold.after_pieces <= self.sent)
            && let Some(hold) = self.hold.take()
        {
            self.unless_shut_down(hold.wait()).await;
        }
        // Lets the server send the previous piece first, so that each piece travels alone and none is lost when the connection
        // is aborted.
        tokio::task::yield_now().await;
        if !self.pace.is_zero() && self.sent > 0 {
            self.unless_shut_down(tokio::time::sleep(self.pace)).await;
        }
        if *self.shutdown.borrow() {
            return Some(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.sent += 1;
            return Some(Ok(piece));
        }
        match self.end {
            End::Complete => None,
            End::Cut => Some(Err(io::ErrorKind::ConnectionAborted.into())),
            End::Stall => {
                self.unless_shut_down(std::future::pending()).await;
                Some(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    async fn unless_shut_down(&self, future: impl Future<Output = ()>) {
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            () = future => {}
            // An error means that the server was dropped: that is a shutdown, too.
            _ = shutdown.wait_for(|is_shut_down| *is_shut_down) => {}
        }
    }
}

/// The number of events sent before a fault in mid-stream; `None` if the fault lets the reply complete or prevents it.
pub(crate) fn events_before_fault(events: usize, fault: &Fault) -> Option<usize> {
    match fault.kind {
        FaultKind::ErrorEvent | FaultKind::Cut | FaultKind::Stall => {
            Some(fault.after_pieces.unwrap_or(events / 2).min(events.saturating_sub(1)))
        }
        FaultKind::Status
        | FaultKind::ErrorObject
        | FaultKind::Window
        | FaultKind::SlowFirstByte
        | FaultKind::SplitUtf8
        | FaultKind::UnknownEvent
        | FaultKind::HangUp => None,
    }
}

/// The pieces to send, and how the stream ends after them.
fn apply_fault(mut events: Vec<String>, fault: Option<&Fault>, request_id: &str) -> (Vec<Bytes>, End) {
    let unchanged = |events: Vec<String>| events.into_iter().map(Bytes::from).collect();
    let Some(fault) = fault else {
        return (unchanged(events), End::Complete);
    };
    let count = events_before_fault(events.len(), fault).unwrap_or(events.len());
    match fault.kind {
        FaultKind::Status
        | FaultKind::ErrorObject
        | FaultKind::Window
        | FaultKind::SlowFirstByte
        | FaultKind::HangUp => (unchanged(events), End::Complete),
        FaultKind::ErrorEvent => {
            let message = fault.message.as_deref().unwrap_or("Overloaded");
            events.truncate(count);
            events.push(wire::event(&ApiError::new(fault.status(), message).body(request_id)));
            (unchanged(events), End::Complete)
        }
        FaultKind::Cut => {
            events.truncate(count);
            (unchanged(events), End::Cut)
        }
        FaultKind::Stall => {
            events.truncate(count);
            (unchanged(events), End::Stall)
        }
        FaultKind::SplitUtf8 => (wire::split_characters(&events.concat()), End::Complete),
        FaultKind::UnknownEvent => {
            let unknown = wire::event(&json!({ "type": "stand_in_notice", "index": 0, "delta": { "type": "none" } }));
            let interleaved = events.into_iter().flat_map(|event| [event, unknown.clone()]);
            (interleaved.map(Bytes::from).collect(), End::Complete)
        }
    }
}
