//! A snapshot of a log and the tail after it say what the whole log says; a snapshot that cannot be used is ignored.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::state::SessionState;
use domain::transcript::Recap;
use domain::{
    CallKey, Conversation, Digest256, Event, RawJson, SNAPSHOT_VERSION, Seq, SessionLog, SessionLogs, ToolOutcome,
    ToolResult, TurnNumber, TurnStarted,
};
use local::WallClock;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::conversation::{Happening, Log, happening};
use crate::support::{MemoryBlobs, MemoryLog, MemoryRecords, opening_events, session_id};

#[derive(Default)]
struct Ports {
    log: Arc<MemoryLog>,
    records: Arc<MemoryRecords>,
    blobs: Arc<MemoryBlobs>,
}

/// What a log says.
#[derive(Debug, PartialEq)]
struct Says {
    state: SessionState,
    recap: Recap,
    messages: Result<Vec<RawJson>, String>,
}

impl Ports {
    /// Opens the log as a process does that knows nothing of it, when it ended with event `tail`.
    async fn open(&self, events: &[Event], tail: usize) -> SessionLog {
        *self.log.events.lock().unwrap() = events[..tail].to_vec();
        self.log.take_read();
        let (log, records, blobs) = (Arc::clone(&self.log), Arc::clone(&self.records), Arc::clone(&self.blobs));
        SessionLogs::new(log, records, blobs, Arc::new(WallClock)).open(&session_id(1)).await.unwrap()
    }
}

async fn says(log: &mut SessionLog) -> Says {
    let (turn, attempt) = log.state().main.next_call();
    let call = CallKey { conversation: Conversation::Main, turn, attempt };
    let started = TurnStarted { call, up_to: log.state().tail, model: "m".to_owned(), max_tokens: 1 };
    let messages = log.messages_of_next(&started).await.map_err(|error| error.to_string());
    Says { state: log.state().clone(), recap: log.recap().clone(), messages }
}

fn played(happenings: Vec<Happening>, late: u64) -> Vec<Event> {
    let mut log = Log { events: opening_events(&session_id(1)) };
    log.play(happenings, late, |_, _| {});
    // Without it there would be nothing to send after a reply that called no tool.
    log.user_message("and then");
    log.events
}

proptest! {
    #![proptest_config(Config::with_cases(16))]

    #[test]
    fn a_snapshot_and_the_tail_say_what_the_whole_log_says(
        happenings in proptest::collection::vec(happening(), 1..12),
        late in 0_u64..2,
    ) {
        let events = played(happenings, late);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let whole = says(&mut Ports::default().open(&events, events.len()).await).await;
            assert_eq!(whole.state, SessionState::of(&events));
            assert!(whole.messages.is_ok());
            // A process that calls the model stores the messages as they are sent; another one stores what they are made of.
            for makes_messages in [true, false] {
                let ports = Ports::default();
                for cut in 2..=events.len() {
                    // Every snapshot is made from the one before and the event that follows, so parts pile up as in a session.
                    let mut log = ports.open(&events, cut).await;
                    if makes_messages {
                        drop(says(&mut log).await);
                    }
                    log.store_snapshot().await.unwrap();
                    let mut resumed = ports.open(&events, events.len()).await;
                    assert!(ports.log.take_read().iter().all(|seq| seq.0 > cut as u64), "only the tail is read");
                    assert_eq!(says(&mut resumed).await, whole, "cut after event {cut}");
                }
                let stored: BTreeSet<Digest256> = ports.blobs.0.lock().unwrap().keys().cloned().collect();
                let record = ports.records.0.lock().unwrap().clone().unwrap();
                assert_eq!(stored, record.blobs().cloned().collect(), "the blobs of earlier snapshots are deleted");
            }
        });
    }
}

/// A session with a long result, which is stored outside the log, and its snapshot, made after the messages were sent.
async fn session_with_snapshot() -> (Ports, Vec<Event>, Says) {
    let calls =
        |n| Happening::Call { text: format!("turn {n}"), results: vec![(format!("result {n}"), ToolOutcome::Ok)] };
    let mut log = Log { events: opening_events(&session_id(1)) };
    log.play((0..6).map(calls).collect(), 0, |_, _| {});
    let ports = Ports::default();
    let long = "x".repeat(70_000);
    let stored = domain::ports::store_text(ports.blobs.as_ref(), &session_id(1), long).await.unwrap();
    let turn = TurnNumber(7);
    let call = CallKey { conversation: Conversation::Main, turn, attempt: domain::Attempt(1) };
    log.begin(call, log.tail());
    log.answer(call, "one more", 1);
    let id = "toolu_7_0".parse().unwrap();
    let result = ToolResult::without_run(turn, id, "bash".to_owned(), ToolOutcome::Ok, "");
    log.add(ToolResult { output: stored, ..result });
    let mut before = ports.open(&log.events, log.events.len()).await;
    says(&mut before).await.messages.unwrap();
    before.store_snapshot().await.unwrap();
    log.user_message("after the snapshot");
    let whole = Ports { blobs: Arc::clone(&ports.blobs), ..Ports::default() };
    let whole = says(&mut whole.open(&log.events, log.events.len()).await).await;
    assert!(whole.messages.as_ref().unwrap().last().unwrap().as_str().contains("xxxx"));
    (ports, log.events, whole)
}

/// Opens the log after `damage` was done to its snapshot. Returns whether the log was read from its beginning.
async fn is_read_from_start_after(damage: impl FnOnce(&Ports)) -> bool {
    let (ports, events, whole) = session_with_snapshot().await;
    damage(&ports);
    let mut log = ports.open(&events, events.len()).await;
    assert_eq!(says(&mut log).await, whole);
    let from_start = ports.log.take_read().contains(&Seq(1));
    // The next snapshot repairs it.
    log.store_snapshot().await.unwrap();
    let mut log = ports.open(&events, events.len()).await;
    assert_eq!(says(&mut log).await, whole);
    assert!(!ports.log.take_read().contains(&Seq(1)));
    from_start
}

fn change_record(ports: &Ports, change: impl FnOnce(&mut domain::ports::SnapshotRecord)) {
    change(ports.records.0.lock().unwrap().as_mut().unwrap());
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_used_is_ignored() {
    let record = |ports: &Ports| ports.records.0.lock().unwrap().clone().unwrap();
    assert!(!is_read_from_start_after(|_| {}).await);
    assert!(is_read_from_start_after(|ports| change_record(ports, |record| record.version = "older".to_owned())).await);
    assert!(is_read_from_start_after(|ports| change_record(ports, |record| record.tail = Seq(3))).await);
    for damaged in [None, Some("{}"), Some("not JSON")] {
        let damage = |ports: &Ports, blob: &Digest256| {
            let mut blobs = ports.blobs.0.lock().unwrap();
            blobs.remove(blob);
            blobs.extend(damaged.map(|content| (blob.clone(), content.as_bytes().to_vec())));
        };
        assert!(is_read_from_start_after(|ports| damage(ports, &record(ports).blob)).await, "{damaged:?}");
        assert!(is_read_from_start_after(|ports| damage(ports, &record(ports).parts[0])).await, "{damaged:?}");
    }
}

#[tokio::test]
async fn an_older_snapshot_does_not_replace_a_later_one() {
    let (ports, events, whole) = session_with_snapshot().await;
    let mut zombie = ports.open(&events, events.len() - 1).await;
    let mut current = ports.open(&events, events.len()).await;
    says(&mut current).await.messages.unwrap();
    current.store_snapshot().await.unwrap();
    let record = ports.records.0.lock().unwrap().clone();
    zombie.store_snapshot().await.unwrap();
    assert_eq!(*ports.records.0.lock().unwrap(), record);
    let mut log = ports.open(&events, events.len()).await;
    assert_eq!(says(&mut log).await, whole);
    assert!(!ports.log.take_read().contains(&Seq(1)));
}

#[test]
fn the_version_of_snapshots_is_a_hash_of_the_sources() {
    use std::hash::{DefaultHasher, Hasher as _};
    let hash = |change: &dyn Fn(&str, Vec<u8>) -> Vec<u8>| {
        let mut files: Vec<String> = crate::tidy::repository_files();
        files.retain(|file| file.starts_with("shared/domain/src/"));
        files.sort_by(|left, right| std::path::Path::new(left).cmp(std::path::Path::new(right)));
        let mut hasher = DefaultHasher::new();
        for file in &files {
            let below = file.strip_prefix("shared/domain/").unwrap();
            hasher.write(below.as_bytes());
            hasher.write(&change(below, std::fs::read(crate::tidy::top().join(file)).unwrap()));
        }
        format!("{:016x}", hasher.finish())
    };
    assert_eq!(hash(&|_, content| content), SNAPSHOT_VERSION);
    let with_a_field = |file: &str, mut content: Vec<u8>| {
        if file == "src/state/run.rs" {
            content.extend_from_slice(b"// another field");
        }
        content
    };
    assert_ne!(hash(&with_a_field), SNAPSHOT_VERSION);
}

#[test]
fn a_change_that_began_with_an_empty_repository_is_not_forgotten() {
    for published_from in [None, Some(None), Some(Some("0123456789012345678901234567890123456789".parse().unwrap()))] {
        let state = SessionState { published_from, ..SessionState::default() };
        let stored = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<SessionState>(&stored).unwrap(), state);
    }
}
