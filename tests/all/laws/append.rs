//! Append is gap-free and ordered under concurrent writers, and a stale writer is refused.

use std::sync::Arc;

use domain::ports::EventLog as _;
use domain::{
    Author, Conversation, EventBody, RunFinished, RunNumber, Seq, SessionId, SessionLog, SessionLogError, SessionLogs,
    Status, Step, StepError, StepStart, Totals, UserMessage,
};
use local::{Store, WallClock};

use crate::support::{MemoryBlobs, opening_events, session_id, store};

fn message(text: &str) -> EventBody {
    let (conversation, author) = (Conversation::Main, Author::User);
    UserMessage { conversation, author, text: text.to_owned(), answers: None }.into()
}

async fn log(store: &Store, session: &SessionId) -> SessionLog {
    let (store, blobs) = (Arc::new(store.clone()), Arc::<MemoryBlobs>::default());
    SessionLogs::new(Arc::clone(&store) as _, store, blobs, Arc::new(WallClock)).open(session).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_leave_a_log_without_gaps_losses_or_repetitions() {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let directory = tempfile::tempdir().unwrap();
    let session = session_id(1);
    let first = store(directory.path());
    let opening = opening_events(&session);
    first.append(&session, Seq(0), &opening).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        // Half of the writers open a connection of their own, as another process would.
        let store = if writer % 2 == 0 { first.clone() } else { store(directory.path()) };
        let session = session.clone();
        tokio::spawn(async move {
            let mut log = log(&store, &session).await;
            for number in 0..EACH {
                let batch = vec![message(&format!("{writer}/{number}/a")), message(&format!("{writer}/{number}/b"))];
                log.append(batch).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let events = domain::read_all(&first, &session, Seq(0)).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(numbers, (1..=(opening.len() + 2 * WRITERS * EACH) as u64).collect::<Vec<_>>());
    let texts: Vec<&str> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::UserMessage(message) => Some(message.text.as_str()),
            _ => None,
        })
        .collect();
    for writer in 0..WRITERS {
        let own: Vec<&&str> = texts.iter().filter(|text| text.starts_with(&format!("{writer}/"))).collect();
        let expected: Vec<String> =
            (0..EACH).flat_map(|number| [format!("{writer}/{number}/a"), format!("{writer}/{number}/b")]).collect();
        assert_eq!(own.iter().map(|text| (**text).to_owned()).collect::<Vec<_>>(), expected, "in order, each once");
    }
    // A batch stays together.
    for pair in texts.chunks(2) {
        assert_eq!(pair[0].trim_end_matches('a'), pair[1].trim_end_matches('b'));
    }
}

#[tokio::test]
async fn a_writer_is_refused_once_a_newer_step_has_started() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let session = session_id(1);
    store.append(&session, Seq(0), &opening_events(&session)).await.unwrap();
    let deadline = "2026-11-22T11:00:00Z".parse().unwrap();
    let span = "00000000000000aa".parse().unwrap();
    let start = StepStart { step: Step::Prepare, span, invocation: None, deadline };
    let run = RunNumber(1);
    let (mut zombie, mut other) = (log(&store, &session).await, log(&store, &session).await);
    assert!(zombie.start_step(run, &start).await.unwrap());
    zombie.append(vec![message("still alone")]).await.unwrap();

    assert!(!other.start_step(run, &start).await.unwrap(), "it has not read that another one has started");
    other.append(vec![message("a command's, without a fence")]).await.unwrap();
    let mut newer = log(&store, &session).await;
    assert!(newer.start_step(run, &start).await.unwrap());
    assert_eq!(newer.attempt().0, 2);
    let before = domain::read_all(&store, &session, Seq(0)).await.unwrap().len();
    let stale = zombie.append(vec![message("from beyond")]).await;
    assert!(matches!(stale, Err(SessionLogError::Stale)));
    assert_eq!(domain::read_all(&store, &session, Seq(0)).await.unwrap().len(), before, "nothing was written");
    newer.append(vec![message("alive")]).await.unwrap();

    // After a user's message in between the writer rebases and continues.
    log(&store, &session).await.append(vec![message("a user")]).await.unwrap();
    newer.append(vec![message("still alive")]).await.unwrap();

    // The end of the run makes every writer stale.
    let finished = RunFinished {
        status: Status::Failed,
        summary: String::new(),
        pr_url: None,
        branch: None,
        left_out: Vec::new(),
        totals: Totals::default(),
    };
    log(&store, &session).await.append(vec![finished.into()]).await.unwrap();
    let stale = newer.append(vec![message("too late")]).await;
    assert!(matches!(stale, Err(SessionLogError::Stale)));
    let stale: StepError = SessionLogError::Stale.into();
    assert_eq!(stale.error_type(), "Stale");
}
