//! The contract of session stores.

use domain::ports::{SessionSummary, Sessions};
use domain::{MicroDollars, RunNumber, Session, SessionId, Status, TaskToken};
use local::Store;

use crate::support::{session, session_id};

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

async fn contract(sessions: &dyn Sessions) {
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

    let token = TaskToken("a handle".to_owned());
    sessions.put_token(&ids[0], RunNumber(2), &token).await.unwrap();
    assert_eq!(sessions.token(&ids[0], RunNumber(1)).await.unwrap(), None, "a handle belongs to its run");
    assert_eq!(sessions.token(&ids[0], RunNumber(2)).await.unwrap(), Some(token.clone()));
    sessions.clear_token(&ids[0], RunNumber(1)).await.unwrap();
    assert_eq!(sessions.token(&ids[0], RunNumber(2)).await.unwrap(), Some(token));
    sessions.clear_token(&ids[0], RunNumber(2)).await.unwrap();
    assert_eq!(sessions.token(&ids[0], RunNumber(2)).await.unwrap(), None);
}

#[tokio::test]
async fn the_local_store_fulfils_the_contract_and_encrypts_task_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    contract(&store).await;
    let token = TaskToken("a very recognisable handle".to_owned());
    store.put_token(&session_id(2), RunNumber(1), &token).await.unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("recognisable"), "a handle stands readable on the disk");
    }
}
