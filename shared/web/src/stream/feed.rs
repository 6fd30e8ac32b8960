//! Follows the end of a session's log, once for all its viewers in this process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use domain::ports::{EventLog, LiveReply, LiveText};
use domain::{CallKey, Event, EventBody, Redactor, Seq, SessionId, Unavailable, error_chain, public_event};
use serde_json::Value;
use tokio::sync::watch;

use super::native;

/// The latest frames that a feed keeps; who is further behind reads the log.
const MAX_FRAMES: usize = 512;

/// The most bytes of them.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How many events are read from the log at once.
pub(super) const PAGE: usize = 200;

/// How many events are read at once for a viewer that is further behind than the feed reaches.
const PAGE_OF_ONE: usize = 50;

/// About so many bytes of them are held for it.
const BYTES_OF_ONE: usize = 256 * 1024;

/// How long a feed waits for the log to grow before it looks whether anybody watches.
const PATIENCE: Duration = Duration::from_secs(10);

/// So often in a row the log may be out of reach before viewers are sent away.
const MAX_FAILURES: u32 = 5;

/// The feeds of this process.
pub(crate) struct Feeds {
    event_log: Arc<dyn EventLog>,
    live: Arc<dyn LiveText>,
    redactor: Redactor,
    open: Mutex<HashMap<SessionId, Weak<Feed>>>,
}

/// A frame, as it is shown.
pub(super) struct Entry {
    pub seq: Seq,
    pub frame: Value,
    /// Its native form.
    pub rendered: String,
}

/// What a viewer finds after the frame it saw last.
pub(super) enum Next {
    /// These.
    Entries(Vec<Arc<Entry>>),
    /// More than the feed keeps.
    Behind,
    /// Nothing yet.
    Nothing,
    /// Nothing, and no more will come: the final frame of the latest run was seen.
    Over,
    /// The log is out of reach.
    Failed,
}

/// The end of one session's log.
pub(super) struct Feed {
    window: Mutex<Window>,
    changed: watch::Sender<()>,
    live: watch::Sender<Option<Arc<LiveReply>>>,
}

#[derive(Default)]
struct Window {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    tail: Seq,
    /// Whether the log was read to its end once.
    read: bool,
    /// Whether the latest run is over.
    over: bool,
    /// The last call that led to a reply or was given up: its text is no longer being written.
    settled: Option<CallKey>,
    failures: u32,
}

impl Feeds {
    pub(crate) fn new(event_log: Arc<dyn EventLog>, live: Arc<dyn LiveText>, redactor: Redactor) -> Self {
        Self { event_log, live, redactor, open: Mutex::default() }
    }

    /// The feed of a session. It goes on as long as somebody has it.
    pub(super) fn follow(self: &Arc<Self>, session: &SessionId) -> Arc<Feed> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = open.get(session).and_then(Weak::upgrade) {
            return feed;
        }
        open.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed {
            window: Mutex::default(),
            changed: watch::Sender::default(),
            live: watch::Sender::default(),
        });
        open.insert(session.clone(), Arc::downgrade(&feed));
        tokio::spawn(Arc::clone(self).follow_log(session.clone(), Arc::downgrade(&feed)));
        tokio::spawn(Arc::clone(self).follow_live(session.clone(), Arc::downgrade(&feed)));
        feed
    }

    /// Some frames of the log, for who is further behind than a feed reaches.
    pub(super) async fn page(&self, session: &SessionId, after: Seq) -> Result<Vec<Arc<Entry>>, Unavailable> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for event in self.event_log.read(session, after, PAGE_OF_ONE).await? {
            let entry = self.entry(session, &event);
            bytes += entry.rendered.len();
            entries.push(Arc::new(entry));
            if bytes >= BYTES_OF_ONE {
                break;
            }
        }
        Ok(entries)
    }

    fn entry(&self, session: &SessionId, event: &Event) -> Entry {
        let frame = self.redactor.redact_json(&public_event(session, event));
        let mut rendered = String::new();
        native::stored(event.seq, &frame, &mut rendered);
        Entry { seq: event.seq, frame, rendered }
    }

    async fn follow_log(self: Arc<Self>, session: SessionId, feed: Weak<Feed>) {
        let mut tail = Seq(0);
        loop {
            let read = self.event_log.read(&session, tail, PAGE).await;
            let Some(feed) = feed.upgrade() else { return };
            let pause = match read {
                Ok(events) => {
                    let more = events.len() >= PAGE;
                    let entries: Vec<Entry> = events.iter().map(|event| self.entry(&session, event)).collect();
                    tail = feed.window().take(&events, entries, more);
                    None
                }
                Err(unavailable) => {
                    tracing::warn!(session_id = %session, error = error_chain(&unavailable), "a stream cannot read its log");
                    feed.window().failures += 1;
                    Some(Duration::from_secs(1))
                }
            };
            feed.changed.send_replace(());
            drop(feed);
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                // What goes wrong in waiting goes wrong in reading, too.
                None => drop(self.event_log.wait(&session, tail, PATIENCE).await),
            }
        }
    }

    async fn follow_live(self: Arc<Self>, session: SessionId, feed: Weak<Feed>) {
        let mut seen: Option<LiveReply> = None;
        loop {
            let next = self.live.next(&session, seen.as_ref(), PATIENCE).await;
            let Some(feed) = feed.upgrade() else { return };
            match next {
                Ok(reply) if reply != seen => {
                    feed.live.send_replace(reply.clone().map(Arc::new));
                    seen = reply;
                }
                Ok(_) => {}
                Err(unavailable) => {
                    tracing::debug!(session_id = %session, error = error_chain(&unavailable), "live text is out of reach");
                    drop(feed);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Feed {
    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows the frame `seen`.
    pub(super) fn after(&self, seen: Seq) -> Next {
        let window = self.window();
        if seen < window.tail {
            let first = window.entries.front().map_or(Seq(u64::MAX), |entry| entry.seq);
            if first > seen.next() {
                // What was read so far may be all that the feed has; the log has the rest.
                return if window.read { Next::Behind } else { Next::Nothing };
            }
            let skipped = usize::try_from(seen.next().0 - first.0).unwrap_or(usize::MAX);
            return Next::Entries(window.entries.iter().skip(skipped).take(PAGE).cloned().collect());
        }
        match window.read {
            // Who has read further than this feed waits for it.
            true if window.over && seen == window.tail => Next::Over,
            _ if window.failures >= MAX_FAILURES => Next::Failed,
            _ => Next::Nothing,
        }
    }

    /// Changes when there is more, or when there will be no more.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The reply that is being written.
    pub(super) fn live(&self) -> watch::Receiver<Option<Arc<LiveReply>>> {
        self.live.subscribe()
    }

    /// Whether the text of a reply stands in the log by now, or was given up.
    pub(super) fn is_settled(&self, reply: &LiveReply) -> bool {
        self.window().settled.is_some_and(|settled| {
            settled.conversation == reply.conversation && (settled.turn, settled.attempt) >= (reply.turn, reply.attempt)
        })
    }
}

impl Window {
    fn take(&mut self, events: &[Event], entries: Vec<Entry>, more: bool) -> Seq {
        for event in events {
            self.tail = event.seq;
            self.over = matches!(event.body, EventBody::RunFinished(_));
            // However a call ends, its price is settled with it.
            if let EventBody::BudgetSettled(settled) = &event.body {
                self.settled = Some(settled.call);
            }
        }
        for entry in entries {
            self.bytes += entry.rendered.len();
            self.entries.push_back(Arc::new(entry));
            while self.entries.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
                let Some(dropped) = self.entries.pop_front() else { break };
                self.bytes -= dropped.rendered.len();
            }
        }
        self.failures = 0;
        self.read |= !more;
        self.tail
    }
}
