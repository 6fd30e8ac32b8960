//! The contract of session stores.

use domain::ports::{KeyBinding, SessionSummary, Sessions, SnapshotRecord, all_unfinished};
use domain::{Digest256, MicroDollars, OutsideKey, Principal, RunNumber, Seq, Session, SessionId, Status, TaskToken};
use jiff::Timestamp;

use super::second_process;
use crate::support::{session, session_id, store};

fn summary(session: &Session, second: u8, status: Status) -> SessionSummary {
    SessionSummary {
        id: session.id.clone(),
        owner: session.owner.clone(),
        created_at: session.created_at,
        updated_at: format!("2026-11-22T10:00:{second:02}Z").parse().unwrap(),
        repo_url: session.request.repo_url.clone(),
        title: "Do it.".to_owned(),
        run: RunNumber(1),
        status,
        cost: MicroDollars(1),
        pr_url: None,
        sandbox_left: false,
    }
}

fn issue(number: u64) -> OutsideKey {
    OutsideKey::new("github", "owner/name", number).unwrap()
}

fn binding(session: u8) -> KeyBinding {
    KeyBinding { request: Digest256::of(b"request"), session: session_id(session) }
}

fn token(text: &str) -> TaskToken {
    TaskToken(text.to_owned())
}

fn snapshot(tail: u64, version: &str) -> SnapshotRecord {
    let (tail, version) = (Seq(tail), version.to_owned());
    SnapshotRecord { tail, version, blob: Digest256::of(&[1]), parts: vec![Digest256::of(&[2])] }
}

async fn first(sessions: &dyn Sessions) {
    let ids: Vec<SessionId> = (1..=3).map(session_id).collect();
    for (id, owner) in ids.iter().zip(["ada", "bob", "ada"]) {
        let session = Session { owner: owner.parse().unwrap(), ..session(id) };
        assert!(sessions.create(&session, &summary(&session, 1, Status::Queued)).await.unwrap());
        assert!(!sessions.create(&session, &summary(&session, 2, Status::Done)).await.unwrap(), "an id is taken once");
        assert_eq!(sessions.get(id).await.unwrap(), Some(session));
    }
    assert_eq!(sessions.get(&session_id(9)).await.unwrap(), None);

    let list = |owner: Option<&'static str>, before: Option<SessionId>, limit| async move {
        let owner = owner.map(|owner| owner.parse().unwrap());
        let listed = sessions.list(owner.as_ref(), before.as_ref(), limit).await.unwrap();
        listed.into_iter().map(|summary| summary.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 10).await, [ids[2].clone(), ids[1].clone(), ids[0].clone()], "newest first");
    assert_eq!(list(Some("ada"), None, 10).await, [ids[2].clone(), ids[0].clone()], "the owner's only");
    assert_eq!(list(None, Some(ids[2].clone()), 1).await, [ids[1].clone()], "a page after another");

    let first = session(&ids[0]);
    sessions.update(&summary(&first, 5, Status::Working)).await.unwrap();
    sessions.update(&summary(&first, 3, Status::Planning)).await.unwrap();
    let stored = sessions.summary(&ids[0]).await.unwrap().unwrap();
    assert_eq!(stored.status, Status::Working, "an older summary changes nothing");

    assert_eq!(sessions.snapshot(&ids[0]).await.unwrap(), None);
    assert!(sessions.put_snapshot(&ids[0], &snapshot(5, "a")).await.unwrap());
    assert!(!sessions.put_snapshot(&ids[0], &snapshot(4, "b")).await.unwrap(), "one of fewer events changes nothing");
    assert_eq!(sessions.snapshot(&ids[0]).await.unwrap(), Some(snapshot(5, "a")));
    assert!(sessions.put_snapshot(&ids[0], &snapshot(5, "b")).await.unwrap(), "another version of as many events");
    assert_eq!(sessions.snapshot(&ids[0]).await.unwrap(), Some(snapshot(5, "b")));
    assert_eq!(sessions.snapshot(&ids[1]).await.unwrap(), None, "sessions do not mix");
    assert!(!sessions.put_snapshot(&session_id(9), &snapshot(5, "a")).await.unwrap(), "there is no such session");

    // Of the first session's run 2 a task waits. A token that is cleared late does not take the next one with it.
    let run = RunNumber(2);
    assert!(sessions.put_token(&ids[0], run, Seq(10), &token("the first wait")).await.unwrap());
    assert_eq!(sessions.token(&ids[0], RunNumber(1)).await.unwrap(), None, "a token belongs to its run");
    assert_eq!(sessions.token(&ids[0], run).await.unwrap(), Some(token("the first wait")));
    assert!(sessions.put_token(&ids[0], run, Seq(20), &token("the next wait")).await.unwrap());
    assert!(!sessions.put_token(&ids[0], run, Seq(10), &token("a late one")).await.unwrap(), "of an earlier step");
    assert!(sessions.put_token(&ids[0], run, Seq(20), &token("the next wait")).await.unwrap(), "once more");
    sessions.clear_token(&ids[0], run, &token("the first wait")).await.unwrap();
    sessions.clear_token(&ids[0], RunNumber(1), &token("the next wait")).await.unwrap();
    assert_eq!(sessions.token(&ids[0], run).await.unwrap(), Some(token("the next wait")));

    // Unfinished sessions, in pages.
    sessions.update(&summary(&session(&ids[1]), 7, Status::Done)).await.unwrap();
    assert_eq!(all_unfinished(sessions, Timestamp::MAX).await.unwrap(), [ids[0].clone(), ids[2].clone()]);
    let left = SessionSummary { sandbox_left: true, ..summary(&session(&ids[1]), 8, Status::Done) };
    sessions.update(&left).await.unwrap();
    assert_eq!(all_unfinished(sessions, Timestamp::MAX).await.unwrap(), ids, "one has left a sandbox");
    sessions.update(&summary(&session(&ids[1]), 9, Status::Done)).await.unwrap();
    let next = sessions.unfinished(Timestamp::MAX, Some(&ids[0]), 1).await.unwrap();
    assert_eq!(next, [ids[2].clone()]);
    let early: Timestamp = "2026-11-22T10:00:04Z".parse().unwrap();
    assert_eq!(all_unfinished(sessions, early).await.unwrap(), [ids[2].clone()], "the first one was written later");

    // The first binding wins, of a key and of an issue.
    let (owner, key) = ("ada".parse::<Principal>().unwrap(), "key-1".parse().unwrap());
    assert_eq!(sessions.bind_key(&owner, &key, &binding(1)).await.unwrap(), binding(1));
    assert_eq!(sessions.session_of(&issue(1)).await.unwrap(), None);
    assert_eq!(sessions.bind_outside(&issue(1), &ids[0]).await.unwrap(), ids[0]);
    assert_eq!(sessions.bind_outside(&issue(1), &ids[1]).await.unwrap(), ids[0]);
    assert_eq!(sessions.bind_outside(&issue(2), &session_id(8)).await.unwrap(), session_id(8), "before it is created");
}

/// In another process: sees everything, and deletes the first session.
async fn second(sessions: &dyn Sessions) {
    let (id, run, owner) = (session_id(1), RunNumber(2), "ada".parse::<Principal>().unwrap());
    assert_eq!(sessions.summary(&id).await.unwrap().unwrap().status, Status::Working);
    assert_eq!(sessions.token(&id, run).await.unwrap(), Some(token("the next wait")));
    sessions.clear_token(&id, run, &token("the next wait")).await.unwrap();
    assert_eq!(sessions.token(&id, run).await.unwrap(), None);
    assert!(!sessions.put_token(&id, run, Seq(19), &token("a late one")).await.unwrap(), "of an earlier step");
    let key = "key-1".parse().unwrap();
    assert_eq!(sessions.bind_key(&owner, &key, &binding(2)).await.unwrap(), binding(1), "the first binding");
    assert_eq!(sessions.session_of(&issue(1)).await.unwrap(), Some(id.clone()));

    let other: Principal = "bob".parse().unwrap();
    assert!(!sessions.begin_deletion(&id, &other).await.unwrap(), "of another owner");
    assert!(!sessions.begin_deletion(&session_id(9), &owner).await.unwrap(), "it never existed");
    assert!(sessions.put_token(&id, run, Seq(30), &token("another wait")).await.unwrap());
    assert!(sessions.begin_deletion(&id, &owner).await.unwrap());
}

/// Back in the first process: the record is gone, and its deletion is to be ended.
async fn after(sessions: &dyn Sessions) {
    let (id, owner) = (session_id(1), "ada".parse::<Principal>().unwrap());
    let first = Session { owner: owner.clone(), ..session(&id) };
    assert_eq!(sessions.get(&id).await.unwrap(), None);
    assert_eq!(sessions.summary(&id).await.unwrap(), None);
    assert_eq!(sessions.token(&id, RunNumber(2)).await.unwrap(), None);
    assert_eq!(sessions.list(None, None, 10).await.unwrap().len(), 2);
    assert_eq!(all_unfinished(sessions, Timestamp::MAX).await.unwrap(), [session_id(3)]);
    assert!(sessions.is_deleted(&id).await.unwrap() && !sessions.is_deleted(&session_id(2)).await.unwrap());
    assert_eq!(sessions.deletions(10).await.unwrap(), std::slice::from_ref(&id));
    assert!(sessions.begin_deletion(&id, &owner).await.unwrap(), "it may be begun again until it is ended");
    sessions.end_deletion(&id).await.unwrap();
    sessions.end_deletion(&id).await.unwrap();
    assert!(sessions.deletions(10).await.unwrap().is_empty());
    assert!(!sessions.begin_deletion(&id, &owner).await.unwrap(), "there is no such session any more");

    // Nothing that comes late brings it back. Its key still stands for it; its issue is free.
    assert!(sessions.is_deleted(&id).await.unwrap());
    sessions.update(&summary(&first, 50, Status::Working)).await.unwrap();
    assert!(!sessions.put_token(&id, RunNumber(2), Seq(40), &token("late")).await.unwrap());
    assert_eq!(sessions.snapshot(&id).await.unwrap(), None);
    assert!(!sessions.put_snapshot(&id, &snapshot(9, "late")).await.unwrap());
    assert!(!sessions.create(&first, &summary(&first, 50, Status::Queued)).await.unwrap());
    assert_eq!((sessions.get(&id).await.unwrap(), sessions.summary(&id).await.unwrap()), (None, None));
    assert_eq!(sessions.bind_key(&owner, &"key-1".parse().unwrap(), &binding(3)).await.unwrap(), binding(1));
    assert_eq!(sessions.session_of(&issue(1)).await.unwrap(), None);
    assert_eq!(sessions.bind_outside(&issue(1), &session_id(3)).await.unwrap(), session_id(3));
    assert_eq!(sessions.session_of(&issue(2)).await.unwrap(), Some(session_id(8)));
}

#[tokio::test]
async fn the_local_store_fulfils_the_contract_and_encrypts_task_tokens() {
    if let Some(directory) = second_process::directory() {
        return second(&store(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    first(&store).await;
    second_process::run(
        "contracts::sessions::the_local_store_fulfils_the_contract_and_encrypts_task_tokens",
        directory.path(),
    );
    after(&store).await;
    let token = TaskToken("a very recognisable token".to_owned());
    assert!(store.put_token(&session_id(2), RunNumber(1), Seq(10), &token).await.unwrap());
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let Ok(content) = std::fs::read(entry.unwrap().path()) else { continue };
        assert!(!String::from_utf8_lossy(&content).contains("recognisable"), "a token stands readable on the disk");
    }
}
