//! The body of a streamed reply, with what is to go wrong in it.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;

use super::api_error::ApiError;
use super::fault::{Fault, Kind};
use super::gate::Hold;
use super::wire;

/// How a stream ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Cut,
    Stall,
}

struct Reply {
    pieces: VecDeque<Bytes>,
    sent: usize,
    end: End,
    hold: Option<Hold>,
    pace: Duration,
    shutdown: watch::Receiver<bool>,
}

/// Sends events one by one, as a body.
pub(crate) fn body(
    events: Vec<String>,
    fault: Option<&Fault>,
    request_id: &str,
    hold: Option<Hold>,
    pace: Duration,
    shutdown: watch::Receiver<bool>,
) -> Body {
    let (pieces, end) = spoil(events, fault, request_id);
    let reply = Reply { pieces: pieces.into(), sent: 0, end, hold, pace, shutdown };
    Body::from_stream(stream::unfold(Some(reply), |reply| async {
        let mut reply = reply?;
        let piece = reply.next().await?;
        let goes_on = piece.is_ok();
        Some((piece, goes_on.then_some(reply)))
    }))
}

impl Reply {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.hold.as_ref().is_some_and(|hold| hold.after_pieces <= self.sent)
            && let Some(hold) = self.hold.take()
        {
            self.unless_shut_down(hold.wait()).await;
        }
        // Lets the server send what it has: each piece is to travel by itself, also before a cut.
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
            End::Whole => None,
            End::Cut => Some(Err(io::ErrorKind::ConnectionAborted.into())),
            End::Stall => {
                self.unless_shut_down(std::future::pending()).await;
                Some(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    async fn unless_shut_down(&self, what: impl Future<Output = ()>) {
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            () = what => {}
            // A server that was dropped without a word is shut down as well.
            _ = shutdown.wait_for(|down| *down) => {}
        }
    }
}

/// How many events are sent of a reply that is not sent to its end.
pub(crate) fn sent(events: usize, fault: &Fault) -> Option<usize> {
    match fault.kind {
        Kind::ErrorEvent | Kind::Cut | Kind::Stall => {
            Some(fault.after_pieces.unwrap_or(events / 2).min(events.saturating_sub(1)))
        }
        Kind::Status | Kind::SlowFirstByte | Kind::SplitUtf8 | Kind::UnknownEvent | Kind::HangUp => None,
    }
}

fn spoil(mut events: Vec<String>, fault: Option<&Fault>, request_id: &str) -> (Vec<Bytes>, End) {
    let whole = |events: Vec<String>| events.into_iter().map(Bytes::from).collect();
    let Some(fault) = fault else {
        return (whole(events), End::Whole);
    };
    let middle = sent(events.len(), fault).unwrap_or(events.len());
    match fault.kind {
        Kind::Status | Kind::SlowFirstByte | Kind::HangUp => (whole(events), End::Whole),
        Kind::ErrorEvent => {
            let message = fault.message.as_deref().unwrap_or("Overloaded");
            events.truncate(middle);
            events.push(wire::event(&ApiError::new(529, message).body(request_id)));
            (whole(events), End::Whole)
        }
        Kind::Cut => {
            events.truncate(middle);
            (whole(events), End::Cut)
        }
        Kind::Stall => {
            events.truncate(middle);
            (whole(events), End::Stall)
        }
        Kind::SplitUtf8 => (wire::split_characters(&events.concat()), End::Whole),
        Kind::UnknownEvent => {
            let unknown = wire::event(&json!({ "type": "stand_in_notice", "index": 0, "delta": { "type": "none" } }));
            let between = events.into_iter().flat_map(|event| [event, unknown.clone()]);
            (between.map(Bytes::from).collect(), End::Whole)
        }
    }
}
