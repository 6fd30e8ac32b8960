//! Follows the end of a session's log, once for all its subscribers in this process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use domain::commands::Services;
use domain::ports::{EventLog, LiveReply, LiveText, ReadError};
use domain::{CallKey, Event, EventBody, Redactor, Seq, SessionId, SessionLogs, error_chain, public_event};
use serde_json::Value;
use tokio::sync::watch;

use super::native;

/// Maximum frames in a feed's backlog. A subscriber that lags further behind reads the log itself.
const MAX_BACKLOG_FRAMES: usize = 512;

/// Maximum size of a backlog's rendered frames, in bytes.
const MAX_BACKLOG_BYTES: usize = 4 * 1024 * 1024;

/// Events that a feed reads from the log at a time, and frames that a subscriber takes from it at a time.
const PAGE_ITEMS: usize = 200;

/// Events that are read from the log at a time for a single lagging subscriber, which holds their frames in memory.
const LAGGED_PAGE_ITEMS: usize = 50;

/// Size of those frames, in bytes, after which no more are read.
const LAGGED_PAGE_BYTES: usize = 256 * 1024;

/// How long a feed waits for the log to grow before it checks whether it still has subscribers.
const WAIT_SLICE: Duration = Duration::from_secs(10);

/// Failed reads in a row after which subscribers end their streams, so that clients reconnect.
const MAX_FAILURES: u32 = 5;

/// The feeds of this process, one per session with subscribers.
pub(crate) struct Feeds {
    event_log: Arc<dyn EventLog>,
    logs: SessionLogs,
    live: Arc<dyn LiveText>,
    redactor: Redactor,
    open: Mutex<HashMap<SessionId, Weak<Feed>>>,
}

/// A stored frame.
pub(super) struct Entry {
    pub seq: Seq,
    pub frame: Value,
    /// The frame in the native format.
    pub rendered: String,
}

/// What follows the frame that a subscriber read last.
pub(super) enum Next {
    Entries(Vec<Arc<Entry>>),
    /// The next frame has left the backlog.
    Lagged,
    /// Nothing yet.
    Pending,
    /// Nothing: the final frame of the latest run was read, or the session is deleted.
    Complete,
    /// The log cannot be read.
    Unavailable,
}

/// The end of one session's log.
pub(super) struct Feed {
    backlog: Mutex<Backlog>,
    changed: watch::Sender<()>,
    live: watch::Sender<Option<Arc<LiveReply>>>,
}

#[derive(Default)]
struct Backlog {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Where the first subscriber began to read. Nothing before it is ever in the backlog.
    start: Seq,
    /// The last event that streams show.
    tail: Seq,
    /// The last event that was read.
    read: Seq,
    /// Whether the log was read to its end once.
    caught_up: bool,
    /// Whether the latest run is over.
    over: bool,
    /// Whether the log was found missing: the session is deleted.
    gone: bool,
    /// The last model call that ended. Its live text is outdated.
    settled: Option<CallKey>,
    failures: u32,
}

impl Feeds {
    pub(crate) fn new(services: &Services, live: Arc<dyn LiveText>) -> Self {
        let (event_log, redactor) = (Arc::clone(&services.event_log), services.redactor.clone());
        Self { event_log, logs: services.logs(), live, redactor, open: Mutex::default() }
    }

    /// The feed of a session, for a subscriber that has seen the frame `seen`. It follows the log from there, until its last
    /// subscriber drops it.
    pub(super) fn subscribe(self: &Arc<Self>, session: &SessionId, seen: Seq) -> Arc<Feed> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = open.get(session).and_then(Weak::upgrade) {
            return feed;
        }
        open.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed {
            backlog: Mutex::new(Backlog { start: seen, tail: seen, read: seen, ..Backlog::default() }),
            changed: watch::Sender::default(),
            live: watch::Sender::default(),
        });
        open.insert(session.clone(), Arc::downgrade(&feed));
        tokio::spawn(Arc::clone(self).follow(session.clone(), Arc::downgrade(&feed), seen));
        feed
    }

    async fn follow(self: Arc<Self>, session: SessionId, feed: Weak<Feed>, start: Seq) {
        // The events that the feed does not read may say that the reply which is shown live has ended.
        if start > Seq(0)
            && let Ok(log) = self.logs.open(&session).await
            && let Some(feed) = feed.upgrade()
        {
            feed.backlog().settled = log.state().last_ended_call();
        }
        tokio::join!(
            Arc::clone(&self).follow_log(session.clone(), feed.clone(), start),
            Arc::clone(&self).follow_live(session, feed)
        );
    }

    /// Reads frames from the log, for a subscriber that lags behind the backlog.
    pub(super) async fn read_log(&self, session: &SessionId, after: Seq) -> Result<Vec<Arc<Entry>>, ReadError> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let page = self.event_log.read(session, after, LAGGED_PAGE_ITEMS).await?;
        for event in page.events.into_iter().filter(|event| !event.follows_end()) {
            let entry = self.entry(session, &event);
            bytes += entry.rendered.len();
            entries.push(Arc::new(entry));
            if bytes >= LAGGED_PAGE_BYTES {
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

    async fn follow_log(self: Arc<Self>, session: SessionId, feed_of: Weak<Feed>, start: Seq) {
        let mut tail = start;
        loop {
            let read = self.event_log.read(&session, tail, PAGE_ITEMS).await;
            let Some(feed) = feed_of.upgrade() else { return };
            let pause = match read {
                Ok(page) => {
                    let shown = page.events.iter().filter(|event| !event.follows_end());
                    let entries: Vec<Entry> = shown.map(|event| self.entry(&session, event)).collect();
                    tail = feed.backlog().extend(&page.events, entries, page.next.is_some());
                    feed.backlog().gone |= tail == Seq(0) && page.next.is_none();
                    None
                }
                Err(error) => {
                    tracing::warn!(session_id = %session, error = error_chain(&error), "the feed of a session cannot read its log");
                    feed.backlog().failures += 1;
                    Some(Duration::from_secs(1))
                }
            };
            feed.changed.send_replace(());
            drop(feed);
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    // An error while waiting is ignored: the read that follows reports it.
                    if let Ok(false) = self.event_log.wait(&session, tail, WAIT_SLICE).await {
                        self.look_for_end(&session, tail, &feed_of).await;
                    }
                }
            }
        }
    }

    /// Finds out whether a log that does not grow has been deleted: the event that was read last is not there any more.
    async fn look_for_end(&self, session: &SessionId, tail: Seq, feed: &Weak<Feed>) {
        let last = self.event_log.read(session, Seq(tail.0.saturating_sub(1)), 1).await;
        if let (Ok(page), Some(feed)) = (last, feed.upgrade())
            && page.events.is_empty()
        {
            feed.backlog().gone = true;
            feed.changed.send_replace(());
        }
    }

    async fn follow_live(self: Arc<Self>, session: SessionId, feed: Weak<Feed>) {
        let mut seen: Option<LiveReply> = None;
        loop {
            let next = self.live.next(&session, seen.as_ref(), WAIT_SLICE).await;
            let Some(feed) = feed.upgrade() else { return };
            match next {
                Ok(reply) if reply != seen => {
                    feed.live.send_replace(reply.clone().map(Arc::new));
                    seen = reply;
                }
                Ok(_) => {}
                Err(unavailable) => {
                    tracing::debug!(session_id = %session, error = error_chain(&unavailable), "live text cannot be read");
                    drop(feed);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Feed {
    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The frames that follow the frame `seen`.
    pub(super) fn after(&self, seen: Seq) -> Next {
        let backlog = self.backlog();
        if seen < backlog.tail {
            let first = backlog.entries.front().map_or(Seq(u64::MAX), |entry| entry.seq);
            if first > seen.next() {
                // A feed that reads the log for the first time may reach the frame yet.
                return if backlog.caught_up || seen < backlog.start { Next::Lagged } else { Next::Pending };
            }
            // The numbers have gaps where events are not shown.
            let skipped = backlog.entries.partition_point(|entry| entry.seq <= seen);
            return Next::Entries(backlog.entries.iter().skip(skipped).take(PAGE_ITEMS).cloned().collect());
        }
        match backlog.caught_up {
            // A subscriber that has read further than the feed waits for it.
            true if backlog.gone || (backlog.over && seen <= backlog.read) => Next::Complete,
            _ if backlog.failures >= MAX_FAILURES => Next::Unavailable,
            _ => Next::Pending,
        }
    }

    /// Changes when [`Feed::after`] may have another answer.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The reply that the model is writing.
    pub(super) fn live(&self) -> watch::Receiver<Option<Arc<LiveReply>>> {
        self.live.subscribe()
    }

    /// Whether the call of a reply has ended: its text is in the log, or was given up.
    pub(super) fn is_settled(&self, reply: &LiveReply) -> bool {
        self.backlog().settled.is_some_and(|settled| {
            settled.conversation == reply.conversation && (settled.turn, settled.attempt) >= (reply.turn, reply.attempt)
        })
    }
}

impl Backlog {
    fn extend(&mut self, events: &[Event], entries: Vec<Entry>, more: bool) -> Seq {
        for event in events {
            self.read = event.seq;
            if event.follows_end() {
                continue;
            }
            self.tail = event.seq;
            self.over = matches!(event.body, EventBody::RunFinished(_) | EventBody::SessionDeleted(_));
            // However a call ends, its price is settled with it.
            if let EventBody::BudgetSettled(settled) = &event.body {
                self.settled = Some(settled.call);
            }
        }
        for entry in entries {
            self.bytes += entry.rendered.len();
            self.entries.push_back(Arc::new(entry));
            while self.entries.len() > MAX_BACKLOG_FRAMES || self.bytes > MAX_BACKLOG_BYTES {
                let Some(dropped) = self.entries.pop_front() else { break };
                self.bytes -= dropped.rendered.len();
            }
        }
        self.failures = 0;
        self.caught_up |= !more;
        self.read
    }
}
