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
use super::slots::StreamSlot;
use super::view::View;
use super::{Deltas, Shutdown, Wanted};
use crate::Api;

/// About so many bytes are handed to the connection at once; the rest waits until they are taken.
const PORTION: usize = 64 * 1024;

/// One open stream: what it has shown, and what it shows next when it is asked. Nothing is made before it is asked for, so a
/// reader that does not read costs this and no more.
pub(super) struct Viewer {
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
    age: Instant,
    stop: watch::Receiver<bool>,
    /// Who would say that the service goes down has to be there as long as it is listened to.
    _shutdown: Shutdown,
    _slot: StreamSlot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Following,
    Ended,
}

/// Why a stream has something to say.
enum Woken {
    More,
    Live,
    Silence,
    MustEnd,
}

impl Viewer {
    pub(super) fn new(api: &Api, session: &SessionId, view: View, wanted: Wanted, slot: StreamSlot) -> Self {
        let feed = api.feeds.follow(session);
        Self {
            changed: feed.changed(),
            live: feed.live(),
            feeds: Arc::clone(&api.feeds),
            feed,
            session: session.clone(),
            view,
            seen: wanted.after,
            pending: VecDeque::new(),
            deltas: wanted.deltas,
            shown: None,
            phase: Phase::Opening,
            heartbeat: api.limits.heartbeat,
            age: Instant::now() + api.limits.stream_age,
            stop: api.shutdown.watch(),
            _shutdown: api.shutdown.clone(),
            _slot: slot,
        }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut viewer| async move {
            let portion = viewer.next().await?;
            Some((Ok(portion), viewer))
        })
    }

    /// The next portion; none when the stream is over.
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
            // What is seen here is looked at right below: no change is missed.
            self.changed.borrow_and_update();
            if self.pending.is_empty() {
                match self.feed.after(self.seen) {
                    Next::Entries(entries) => self.pending.extend(entries),
                    Next::Behind => match self.feeds.page(&self.session, self.seen).await {
                        Ok(entries) => self.pending.extend(entries),
                        Err(_) => return Some(self.end_early()),
                    },
                    Next::Over => return None,
                    Next::Failed => return Some(self.end_early()),
                    Next::Nothing => {}
                }
            }
            if *self.stop.borrow() || Instant::now() >= self.age {
                return Some(self.end_early());
            }
            while out.len() < PORTION
                && let Some(entry) = self.pending.pop_front()
            {
                self.view.stored(entry.seq, &entry.frame, &entry.rendered, &mut out);
                self.seen = entry.seq;
            }
            if !out.is_empty() {
                return Some(out.into());
            }
            match self.wait().await {
                Woken::More => {}
                Woken::Live => {
                    self.show_live(&mut out);
                    if !out.is_empty() {
                        return Some(out.into());
                    }
                }
                Woken::Silence => return Some(Bytes::from_static(b": hb\n\n")),
                Woken::MustEnd => return Some(self.end_early()),
            }
        }
    }

    async fn wait(&mut self) -> Woken {
        let deltas = self.deltas == Deltas::Shown;
        let silence = (Instant::now() + self.heartbeat).min(self.age);
        tokio::select! {
            // A feed lives as long as its viewers.
            _ = self.changed.changed() => Woken::More,
            _ = self.live.changed(), if deltas => Woken::Live,
            _ = self.stop.wait_for(|stop| *stop) => Woken::MustEnd,
            () = tokio::time::sleep_until(silence) => {
                if silence >= self.age { Woken::MustEnd } else { Woken::Silence }
            }
        }
    }

    /// Says where to go on, and ends.
    fn end_early(&mut self) -> Bytes {
        let mut out = String::new();
        self.view.resume(&self.session, self.seen, &mut out);
        self.phase = Phase::Ended;
        out.into()
    }

    /// Shows what was written of a reply since this viewer last saw it.
    fn show_live(&mut self, out: &mut String) {
        let Some(reply) = self.live.borrow_and_update().clone() else { return };
        if self.feed.is_settled(&reply) {
            return;
        }
        let same = |shown: &&Arc<LiveReply>| {
            (shown.conversation, shown.turn, shown.attempt) == (reply.conversation, reply.turn, reply.attempt)
        };
        let before = self.shown.as_ref().filter(same).map_or("", |shown| shown.text.as_str());
        let (offset, bytes) = match reply.text.starts_with(before) {
            true => (before.chars().count(), before.len()),
            // What was shown is masked by now.
            false => common(before, &reply.text),
        };
        if bytes < reply.text.len() || bytes < before.len() {
            self.view.delta(&self.session, &reply, offset, &reply.text[bytes..], out);
        }
        self.shown = Some(reply);
    }
}

/// How much two texts have in common at their beginning, in characters and in bytes.
fn common(left: &str, right: &str) -> (usize, usize) {
    let same = left.chars().zip(right.chars()).take_while(|(left, right)| left == right);
    same.fold((0, 0), |(characters, bytes), (character, _)| (characters + 1, bytes + character.len_utf8()))
}
