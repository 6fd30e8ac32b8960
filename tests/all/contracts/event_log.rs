//! The contract of event logs.

use std::time::Duration;

use domain::ports::{AppendError, EventLog, MAX_INLINE_BATCH_BYTES, ReadError, read_all};
use domain::{Author, Conversation, Event, EventBody, Seq, SessionId, UserMessage};
use local::DirectoryBlobs;

use super::second_process;
use crate::support::{event, opening_events, session_id, store};

fn message(text: &str) -> EventBody {
    let (conversation, author) = (Conversation::Main, Author::User);
    UserMessage { conversation, author, text: text.to_owned(), answers: None }.into()
}

/// More than an item of DynamoDB holds.
fn large_batch(after: Seq) -> Vec<Event> {
    let text = "x".repeat(150_000);
    let events = (1..=4).map(|n| event(Seq(after.0 + n), message(&format!("{n}{text}"))));
    events.collect()
}

/// The log that the first process leaves: the opening, one message, a large batch.
fn whole(session: &SessionId) -> Vec<Event> {
    let mut events = opening_events(session);
    events.push(event(Seq(3), message("next")));
    events.extend(large_batch(Seq(3)));
    events
}

async fn first(log: &dyn EventLog) {
    let session = session_id(1);
    let opening = opening_events(&session);
    let end = Seq(opening.len() as u64);
    log.append(&session, Seq(0), &opening).await.unwrap();
    let page = log.read(&session, Seq(0), 100).await.unwrap();
    assert_eq!((page.events, page.next), (opening.clone(), None), "what was appended is read back");

    // A write that is sent again succeeds; another one at the same place does not.
    log.append(&session, Seq(0), &opening).await.unwrap();
    let other = [event(Seq(1), message("other"))];
    assert!(matches!(log.append(&session, Seq(0), &other).await, Err(AppendError::Conflict)), "the numbers are taken");
    let misnumbered = log.append(&session, end, &[event(Seq(end.0 + 2), message("wrong"))]).await;
    assert!(matches!(misnumbered, Err(AppendError::Conflict)), "an event has the number that follows the last one");
    assert_eq!(read_all(log, &session, Seq(0)).await.unwrap(), opening, "nothing was written");

    // A wait says whether the log grew, and an append by another writer ends it at once.
    assert!(!log.wait(&session, end, Duration::ZERO).await.unwrap());
    let next = event(end.next(), message("next"));
    let (grown, appended) = tokio::join!(
        log.wait(&session, end, Duration::from_secs(30)),
        log.append(&session, end, std::slice::from_ref(&next))
    );
    appended.unwrap();
    assert!(grown.unwrap());
    assert!(log.wait(&session, Seq(1), Duration::ZERO).await.unwrap());

    // A batch may be larger than what the log itself stores.
    let large = large_batch(next.seq);
    assert!(serde_json::to_string(&large).unwrap().len() > MAX_INLINE_BATCH_BYTES);
    log.append(&session, next.seq, &large).await.unwrap();
    log.append(&session, next.seq, &large).await.unwrap();
    assert_eq!(read_all(log, &session, Seq(0)).await.unwrap(), whole(&session));
    assert_eq!(read_all(log, &session, Seq(5)).await.unwrap(), whole(&session)[5..], "from inside a batch");

    // A page ends with a batch, and says where the next one begins.
    let page = log.read(&session, Seq(0), 1).await.unwrap();
    assert_eq!((page.events.len(), page.next), (2, Some(Seq(2))));
    let page = log.read(&session, Seq(6), 1).await.unwrap();
    assert_eq!((page.events.len(), page.next), (1, None));
    let beyond = log.read(&session, Seq(7), 1).await.unwrap();
    assert_eq!((beyond.events.len(), beyond.next), (0, None));

    assert!(read_all(log, &session_id(2), Seq(0)).await.unwrap().is_empty(), "sessions do not mix");
    log.append(&session_id(2), Seq(0), &opening_events(&session_id(2))).await.unwrap();
}

/// In another process: everything is there, and the log continues.
async fn second(log: &dyn EventLog) {
    let session = session_id(1);
    let events = whole(&session);
    assert_eq!(read_all(log, &session, Seq(0)).await.unwrap(), events);
    let end = Seq(events.len() as u64);
    log.append(&session, Seq(3), &large_batch(Seq(3))).await.unwrap();
    log.append(&session, end, &[event(end.next(), message("from the second process"))]).await.unwrap();
    log.delete(&session_id(2)).await.unwrap();
}

/// Back in the first process, which has not seen what the second one wrote.
async fn after(log: &dyn EventLog) {
    let session = session_id(1);
    let end = Seq(whole(&session).len() as u64);
    let late = log.append(&session, end, &[event(end.next(), message("from the first process"))]).await;
    assert!(matches!(late, Err(AppendError::Conflict)), "the second process appended first");
    assert!(log.wait(&session, end, Duration::from_secs(30)).await.unwrap());
    let page = log.read(&session, end, 10).await.unwrap();
    assert_eq!(page.events, [event(end.next(), message("from the second process"))]);

    let deleted = session_id(2);
    assert!(read_all(log, &deleted, Seq(0)).await.unwrap().is_empty(), "the second process deleted it");
    assert!(!log.wait(&deleted, Seq(0), Duration::ZERO).await.unwrap());
    let end = Seq(opening_events(&deleted).len() as u64);
    let late = log.append(&deleted, end, &[event(end.next(), message("of a frozen writer"))]).await;
    assert!(matches!(late, Err(AppendError::Conflict)), "nothing continues a deleted log");
    log.delete(&deleted).await.unwrap();
}

#[tokio::test]
async fn the_local_store_fulfils_the_contract_of_event_logs() {
    if let Some(directory) = second_process::directory() {
        return second(&store(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let log = store(directory.path());
    first(&log).await;
    second_process::run("contracts::event_log::the_local_store_fulfils_the_contract_of_event_logs", directory.path());
    after(&log).await;
}

#[tokio::test]
async fn a_long_log_is_read_in_pages_of_limited_size() {
    let directory = tempfile::tempdir().unwrap();
    let (log, session) = (store(directory.path()), session_id(1));
    log.append(&session, Seq(0), &opening_events(&session)).await.unwrap();
    let text = "x".repeat(200_000);
    for seq in 3..15 {
        log.append(&session, Seq(seq - 1), &[event(Seq(seq), message(&text))]).await.unwrap();
    }
    let page = log.read(&session, Seq(0), 1000).await.unwrap();
    assert!(page.next.is_some() && page.events.len() < 14, "a page of 14 events has 2.4 MB");
    assert_eq!(read_all(&log, &session, Seq(0)).await.unwrap().len(), 14);
}

#[tokio::test]
async fn a_large_batch_whose_content_is_lost_makes_the_log_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let (log, session) = (store(directory.path()), session_id(1));
    log.append(&session, Seq(0), &large_batch(Seq(0))).await.unwrap();
    let blobs: &dyn domain::ports::Blobs = &DirectoryBlobs::new(directory.path().join("blobs"));
    blobs.delete_session(&session).await.unwrap();
    let lost = read_all(&log, &session, Seq(0)).await.unwrap_err();
    assert!(matches!(&lost, ReadError::Corrupt(corrupt) if corrupt.session == session), "{lost:?}");
}
