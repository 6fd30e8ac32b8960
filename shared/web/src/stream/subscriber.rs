//! One open stream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::ports::LiveReply;
use domain::{Seq, SessionId};
use futures_util::Stream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::{Entry, Feed, Feeds, Next};
use super::options::{Deltas, StreamOptions};
use super::shutdown::Shutdown;
use super::slots::StreamSlot;
use super::view::View;
use crate::limits::Limits;

/// Size of a chunk, in bytes, after which no frame is added to it. The rest waits until the connection asks for the next chunk.
const CHUNK_BYTES: usize = 64 * 1024;

/// One open stream. Chunks are rendered only when the connection asks for them, so a client that does not read costs no memory
/// beyond this struct.
pub(super) struct Subscriber {
    feeds: Arc<Feeds>,
    feed: Arc<Feed>,
    session: SessionId,
    view: View,
    seen: Seq,
    pending: VecDeque<Arc<Entry>>,
    changed: watch::Receiver<()>,
    live: watch::Receiver<Option<Arc<LiveReply>>>,
    deltas: Deltas,
    shown: Option<Arc<LiveReply>>,
    phase: Phase,
    heartbeat: Duration,
    expires: Instant,
    stop: watch::Receiver<bool>,
    /// Keeps the sender of `stop` alive.
    _shutdown: Shutdown,
    _slot: StreamSlot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Following,
    Ended,
}

/// What ended a wait.
enum Wake {
    Feed,
    LiveText,
    Heartbeat,
    /// The stream has reached its age, or the service shuts down.
    End,
}

impl Subscriber {
    pub(super) fn new(
        feeds: Arc<Feeds>,
        session: &SessionId,
        options: StreamOptions,
        limits: Limits,
        shutdown: Shutdown,
        slot: StreamSlot,
    ) -> Self {
        let feed = feeds.subscribe(session, options.after);
        Self {
            changed: feed.changed(),
            live: feed.live(),
            feeds,
            feed,
            session: session.clone(),
            view: View::new(options.format, session),
            seen: options.after,
            pending: VecDeque::new(),
            deltas: options.deltas,
            shown: None,
            phase: Phase::Opening,
            heartbeat: limits.heartbeat,
            expires: Instant::now() + limits.stream_age,
            stop: shutdown.subscribe(),
            _shutdown: shutdown,
            _slot: slot,
        }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut subscriber| async move {
            let chunk = subscriber.next().await?;
            Some((Ok(chunk), subscriber))
        })
    }

    /// The next chunk, or none when the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        let mut out = String::new();
        match self.phase {
            Phase::Ended => return None,
            Phase::Opening => {
                self.phase = Phase::Following;
                out.push_str("retry: 1000\n\n");
                self.view.opened(&self.session, &mut out);
                return Some(out.into());
            }
            Phase::Following => {}
        }
        loop {
            // Marked as seen before the feed is read, so that a change after the read ends the next wait.
            self.changed.borrow_and_update();
            if self.pending.is_empty() {
                match self.feed.after(self.seen) {
                    Next::Entries(entries) => self.pending.extend(entries),
                    Next::Lagged => match self.feeds.read_log(&self.session, self.seen).await {
                        // The session was deleted: its events are gone.
                        Ok(entries) if entries.is_empty() => return None,
                        Ok(entries) => self.pending.extend(entries),
                        Err(_) => return Some(self.end_early()),
                    },
                    Next::Complete => return None,
                    Next::Unavailable => return Some(self.end_early()),
                    Next::Pending => {}
                }
            }
            if *self.stop.borrow() || Instant::now() >= self.expires {
                return Some(self.end_early());
            }
            while out.len() < CHUNK_BYTES
                && let Some(entry) = self.pending.pop_front()
            {
                self.view.stored(entry.seq, &entry.frame, &entry.rendered, &mut out);
                self.seen = entry.seq;
            }
            if !out.is_empty() {
                return Some(out.into());
            }
            match self.wait().await {
                Wake::Feed => {}
                Wake::LiveText => {
                    self.show_live(&mut out);
                    if !out.is_empty() {
                        return Some(out.into());
                    }
                }
                Wake::Heartbeat => return Some(Bytes::from_static(b": hb\n\n")),
                Wake::End => return Some(self.end_early()),
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let deltas = self.deltas == Deltas::Include;
        let heartbeat = (Instant::now() + self.heartbeat).min(self.expires);
        tokio::select! {
            // The feed is alive as long as this subscriber, so this is no closed channel.
            _ = self.changed.changed() => Wake::Feed,
            _ = self.live.changed(), if deltas => Wake::LiveText,
            _ = self.stop.wait_for(|stop| *stop) => Wake::End,
            () = tokio::time::sleep_until(heartbeat) => {
                if heartbeat >= self.expires { Wake::End } else { Wake::Heartbeat }
            }
        }
    }

    /// Ends the stream with a frame that says where to resume.
    fn end_early(&mut self) -> Bytes {
        let mut out = String::new();
        self.view.resume(&self.session, self.seen, &mut out);
        self.phase = Phase::Ended;
        out.into()
    }

    /// Renders what was added to the live reply since it was last shown.
    fn show_live(&mut self, out: &mut String) {
        let Some(reply) = self.live.borrow_and_update().clone() else { return };
        if self.feed.is_settled(&reply) {
            return;
        }
        let is_same_call = |shown: &&Arc<LiveReply>| {
            (shown.conversation, shown.turn, shown.attempt) == (reply.conversation, reply.turn, reply.attempt)
        };
        let (before, offset, bytes) = match self.shown.as_ref().filter(is_same_call) {
            Some(shown) => {
                let before = overlap(shown, &reply);
                let (characters, bytes) = common_prefix(before, &reply.text);
                (before, reply.offset + characters, bytes)
            }
            None => ("", reply.offset, 0),
        };
        // Also when a part that was shown has been redacted since.
        if bytes < reply.text.len() || bytes < before.len() {
            self.view.delta(&self.session, &reply, offset, &reply.text[bytes..], out);
        }
        self.shown = Some(reply);
    }
}

/// The part of `shown` where `reply` may have the same text: from the beginning of `reply` on. Empty when a part between the two is
/// missing, or when `reply` begins before `shown`.
fn overlap<'a>(shown: &'a LiveReply, reply: &LiveReply) -> &'a str {
    let Some(skipped) = reply.offset.checked_sub(shown.offset) else { return "" };
    shown.text.char_indices().nth(skipped).map_or("", |(start, _)| &shown.text[start..])
}

/// Length of the common prefix of two texts, in characters and in bytes.
fn common_prefix(left: &str, right: &str) -> (usize, usize) {
    let same = left.chars().zip(right.chars()).take_while(|(left, right)| left == right);
    same.fold((0, 0), |(characters, bytes), (character, _)| (characters + 1, bytes + character.len_utf8()))
}
