//! Sessions are deleted with everything that is stored of them, whatever is cut off, and leave what they published.

use std::path::Path;

use domain::commands::{CommandError, Services, delete, finish_deletions};
use domain::ports::{Blobs as _, EventLog as _, LiveText as _, Sessions as _, read_all};
use domain::run_outcome::final_events;
use domain::{Limits, Principal, RunNumber, RunStarted, Seq, SessionId, SessionLogError, Status, UncheckedRequest};
use local::World;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    FaultyPorts, Home, PublishedBranch, ServerProcess, answer, bash, ends, frames, ids, repository, script, settings,
    start_request, world,
};

fn files_named_after(session: &str, directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(session) {
            found.push(path.display().to_string());
        } else if path.is_dir() {
            found.extend(files_named_after(session, &path));
        }
    }
    found
}

#[test]
fn sessions_delete_removes_what_is_stored_and_leaves_the_branch() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let done = home.code(&checkout, "Add two.", &script(&[bash("echo two >> a.txt"), ends()]), &[]).expect_code(0);
    let (id, branch) = (done.session(), done.branch());
    let data = home.beside("data");
    assert!(!files_named_after(&id, &data).is_empty(), "its blobs and its lock file");

    let deleted = home.run(&["--json", "sessions", "delete", &id]).expect_code(0);
    assert_eq!(deleted.values(), [json!({ "id": id, "deleted": true })]);
    assert_eq!(files_named_after(&id, &data), Vec::<String>::new());
    let database = std::fs::read(data.join("backspace.db")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains("session.created"), "nothing of it is in the database");
    for gone in [&["sessions", "show", &id], &["sessions", "delete", &id], &["sessions", "events", &id]] {
        home.run(gone).expect_code(5);
    }
    assert_eq!(home.run(&["--json", "sessions", "list"]).values(), Vec::<serde_json::Value>::new());
    assert_eq!(PublishedBranch::file(&branch, "a.txt"), "one\ntwo", "what it published stays");
}

#[test]
fn prune_deletes_only_old_sessions_that_are_over() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let script = script(&[bash("echo two >> a.txt"), ends()]);
    let over = home.code(&checkout, "Add two.", &script, &[]).expect_code(0).session();
    let waits = home.code(&checkout, "Add two.", &script, &["--approve-plan"]).expect_code(3).session();
    let prune = |more: &[&str]| home.run(&[&["--json", "sessions", "prune"], more].concat()).expect_code(0).values();
    assert_eq!(prune(&["--older-than", "30d"]), [json!({ "sessions": 0, "failed": 0, "dryRun": false })]);
    let listed = json!({ "id": over, "deleted": false });
    let would = json!({ "sessions": 1, "failed": 0, "dryRun": true });
    assert_eq!(prune(&["--older-than", "0s", "--dry-run"]), [listed, would]);
    let one = json!({ "id": over, "deleted": true });
    assert_eq!(prune(&["--older-than", "0s"]), [one, json!({ "sessions": 1, "failed": 0, "dryRun": false })]);
    home.run(&["sessions", "prune", "--older-than", "soon"]).expect_code(2);
    let refused = home.run(&["--json", "sessions", "delete", &waits]).expect_code(5);
    assert!(refused.stdout.contains("is not over"), "{}", refused.stdout);
    home.sessions(&["cancel", &waits]).expect_code(0);
    home.run(&["sessions", "delete", &waits]).expect_code(0);
}

#[tokio::test]
async fn the_api_deletes_a_session_and_its_key_does_not_start_it_again() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let server = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]));
    let body = json!({ "repoUrl": checkout, "prompt": "Add two.", "requirePlanApproval": true });
    let start = async || {
        let request = server.request(Method::POST, "/code").header("accept", "application/json");
        answer(request.header("idempotency-key", "key-1").json(&body).send().await.unwrap()).await
    };
    let (status, session) = start().await;
    assert_eq!(status, 202, "{session}");
    let path = format!("/sessions/{}", session["id"].as_str().unwrap());
    let delete = async || answer(server.request(Method::DELETE, &path).send().await.unwrap()).await;
    let (status, refused) = delete().await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("Conflict")), "{refused}");

    // A viewer watches until the run is cancelled; the session is then deleted.
    let events = format!("{path}/events");
    let stream = server.request(Method::GET, &events).send().await.unwrap();
    server.post(&format!("{path}/cancel"), &json!({})).await;
    let last = frames(stream).await.pop().unwrap();
    assert_eq!(last.data["kind"], "run.finished", "the stream ended with the run");
    let late = server.request(Method::GET, &format!("{events}?after=1")).send().await.unwrap();
    let (status, deleted) = delete().await;
    assert_eq!(status, 204, "{deleted}");
    let left = frames(late).await;
    assert!(ids(&left).is_sorted(), "a stream that was open when the session was deleted ends");

    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::GET, events),
        (Method::GET, format!("{path}/diff")),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/messages")),
    ] {
        let request = server.request(method.clone(), &path).header("accept", "application/json");
        let request = if method == Method::POST { request.json(&json!({ "text": "Go on." })) } else { request };
        let (status, gone) = answer(request.send().await.unwrap()).await;
        assert_eq!((status, &gone["error"]["code"]), (404, &json!("NotFound")), "{method} {path}: {gone}");
    }
    let (status, again) = start().await;
    assert_eq!((status, &again["error"]["code"]), (409, &json!("IdempotencyKeyReused")), "{again}");
}

/// A session whose run is over, with a blob and live text.
async fn ended_session(world: &World) -> SessionId {
    let draft =
        UncheckedRequest { repo_url: "/x".to_owned(), prompt: "Do it.".to_owned(), ..UncheckedRequest::default() };
    let services = world.services();
    let session = domain::commands::start(&services, start_request(world, "local", draft)).await.unwrap().session.id;
    let mut log = services.logs().open(&session).await.unwrap();
    log.decide(|state| Ok::<_, CommandError>(final_events(state, Status::Cancelled, None))).await.unwrap();
    world.blobs.put(&session, b"a content").await.unwrap();
    session
}

/// Deletes a session while the `fails_at`-th call fails. Returns false when there were fewer calls.
async fn delete_with_a_failure(fails_at: usize, after: bool, by_user: bool) -> bool {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let session = ended_session(&world).await;
    let owner: Principal = "local".parse().unwrap();
    let faulty = FaultyPorts::new(&world, fails_at, after);
    let deleted = delete(&faulty.services(&world), &owner, &session).await;
    let context = format!("call {fails_at} failed, after: {after}, by user: {by_user}");
    // A snapshot that cannot be read is done without.
    assert!(deleted.is_ok() || faulty.has_failed(), "{context}: {deleted:?}");
    if !faulty.has_failed() {
        return false;
    }
    complete(&world.services(), &owner, &session, by_user).await;
    assert!(world.store.get(&session).await.unwrap().is_none(), "{context}");
    assert!(world.store.deletions(10).await.unwrap().is_empty(), "{context}");
    assert!(world.store.is_deleted(&session).await.unwrap(), "{context}");
    assert!(read_all(&world.store, &session, Seq(0)).await.unwrap().is_empty(), "{context}");
    assert_eq!(files_named_after(session.as_str(), home.path()), Vec::<String>::new(), "{context}");
    true
}

/// What follows a deletion that was cut off: the user deletes the session again, or the program reconciles and goes on.
async fn complete(services: &Services, owner: &Principal, session: &SessionId, by_user: bool) {
    if by_user {
        let again = delete(services, owner, session).await;
        assert!(matches!(again, Ok(()) | Err(CommandError::NotFound(_))), "{again:?}");
        return;
    }
    finish_deletions(services).await.unwrap();
    if services.sessions.get(session).await.unwrap().is_some() {
        // It was cut off before the record: the session can still be deleted.
        delete(services, owner, session).await.unwrap();
    }
}

#[tokio::test]
async fn a_deletion_that_is_cut_off_anywhere_is_completed_by_the_next_one() {
    for by_user in [true, false] {
        for after in [false, true] {
            let mut failed = 0;
            while delete_with_a_failure(failed + 1, after, by_user).await {
                failed += 1;
            }
            assert!(failed >= 8, "only {failed} calls failed");
        }
    }
}

#[tokio::test]
async fn no_run_starts_in_a_session_whose_deletion_has_begun() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let (services, owner) = (world.services(), "local".parse().unwrap());
    // Cut off right after `session.deleted`, before the record.
    let mut fails_at = 0;
    let session = loop {
        fails_at += 1;
        let session = ended_session(&world).await;
        let faulty = FaultyPorts::new(&world, fails_at, false);
        let deleted = delete(&faulty.services(&world), &owner, &session).await;
        assert!(faulty.has_failed(), "no call came between the event and the record: {deleted:?}");
        let events = world.store.read(&session, Seq(0), 100).await.unwrap().events;
        if events.last().is_some_and(|event| event.body.kind() == "session.deleted") {
            break session;
        }
    };
    assert!(world.store.get(&session).await.unwrap().is_some(), "the record is still there");
    let message = domain::commands::message(&services, &session, "Go on.", None).await;
    assert!(matches!(message, Err(CommandError::Deleted(_))), "{message:?}");
    let reconciled = domain::commands::reconcile(&services, world.sandboxes.as_ref(), &session);
    reconciled.await.unwrap();
    assert!(world.store.get(&session).await.unwrap().is_none(), "the deletion is completed");
    assert!(world.live.next(&session, None, std::time::Duration::ZERO).await.unwrap().is_none());
}

#[tokio::test]
async fn a_log_that_was_opened_before_its_deletion_refuses_to_append() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let (session, owner) = (ended_session(&world).await, "local".parse().unwrap());
    let services = world.services();
    let mut log = services.logs().open(&session).await.unwrap();
    delete(&services, &owner, &session).await.unwrap();
    let started = RunStarted { root_span_id: services.ids.span(), limits: Limits::default(), queued: None };
    let late = log.start_run(RunNumber(2), started, Vec::new()).await;
    assert!(matches!(late, Err(SessionLogError::Deleted(_))), "{late:?}");
}
