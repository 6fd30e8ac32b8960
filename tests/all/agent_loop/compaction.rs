//! Compaction: a conversation that becomes too long continues in a new one, which begins with a summary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{AppendError, EventLog, Page, ReadError};
use domain::{Author, ErrorCode, Event, EventBody, Seq, SessionId, Status, Unavailable};
use local::{DriveOutcome, Store};
use serde_json::{Value, json};

use super::{checkout, draft, run_script};
use crate::recovery::{kill_at, published, resume};
use crate::support::{Home, bash, ends, last_blocks, plan, run_session_in, settings, tools, world};

const SMALL: [(&str, &str); 1] = [("BACKSPACE_CONTEXT_TOKENS", "1000")];

/// A turn with thinking, whose signature covers all that came before it.
fn thinking(mut turn: Value) -> Value {
    turn["thinking"] = json!("I think about it.");
    turn
}

fn note() -> Value {
    thinking(json!({ "text": "Line two is in a.txt; line three is missing." }))
}

/// Five turns and the reply `last` to the request for a note; then the turns of the new conversation.
fn two_conversations(last: &Value, after: &[Value]) -> Value {
    let todo = json!({ "todos": [{ "content": "Add three", "status": "pending" }] });
    let mut first = vec![
        thinking(bash("echo two >> a.txt")),
        thinking(tools(&[("update_todos", todo), ("bash", json!({ "command": "cat a.txt" }))])),
        thinking(bash("ls")),
        thinking(bash("pwd")),
        thinking(bash("wc -l a.txt")),
    ];
    first.push(last.clone());
    json!({ "scripts": [
        { "match": "# Where the work stands", "turns": after },
        { "plan": plan("Add two and three"), "turns": first },
    ]})
}

/// The messages of a request, without cache breakpoints.
fn messages(request: &Value) -> Vec<Value> {
    let mut messages = request["messages"].as_array().unwrap().clone();
    for block in messages.iter_mut().filter_map(|message| message["content"].as_array_mut()).flatten() {
        block.as_object_mut().unwrap().remove("cache_control");
    }
    messages
}

fn text(block: &Value) -> &str {
    block["text"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_long_conversation_continues_in_a_new_one_with_the_models_note() {
    let home = Home::new();
    let script = two_conversations(&note(), &[thinking(bash("echo three >> a.txt")), ends()]);
    let run = run_script(&home, &script, &SMALL).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(run.branch().file("a.txt"), "one\ntwo\nthree");

    let requests = run.main_requests();
    assert_eq!(requests.len(), 8, "five turns, the note, two turns");
    // The request for the note follows the results at the end of the old conversation, whose messages stay as they were.
    let last = last_blocks(requests[5]);
    assert_eq!(last[0]["type"], "tool_result");
    assert!(text(&last[1]).starts_with("This conversation has become long"), "{last:?}");
    for (earlier, later) in requests[..6].iter().zip(&requests[1..6]) {
        let (earlier, later) = (messages(earlier), messages(later));
        assert_eq!(later[..earlier.len()], earlier);
    }
    // The new one opens with a single text that has all the model needs to continue.
    let opening = last_blocks(requests[6]);
    assert_eq!((requests[6]["messages"].as_array().unwrap().len(), opening.len()), (1, 1), "{opening:?}");
    for part in [
        "# Task\n\nAdd two and three to a.txt.",
        "# Instructions of the repository (AGENTS.md)\n\nBe brief.",
        "# Plan\n\nAdd two and three",
        "# Where the work stands\n\nLine two is in a.txt; line three is missing.",
        "# Your to-do list\n\n- Add three (open)",
        "# Files changed so far\n\n<untrusted>\n- a.txt\n</untrusted>",
    ] {
        assert!(text(&opening[0]).contains(part), "{part} is not in {}", text(&opening[0]));
    }
    for fixed in ["system", "tools", "model"] {
        assert_eq!(requests[6][fixed], requests[5][fixed], "{fixed}");
    }

    let changed = run.of_kind("context.changed").remove(0);
    assert_eq!(changed["begins"], 7);
    let before = run.of_kind("model.replied").into_iter().find(|replied| replied["call"]["turn"] == 6).unwrap();
    let usage = &before["usage"];
    let tokens: u64 = ["inputTokens", "cacheReadTokens", "cacheWriteTokens", "outputTokens"]
        .iter()
        .map(|name| usage[name].as_u64().unwrap())
        .sum();
    assert_eq!(changed["tokensBefore"].as_u64(), Some(tokens), "as counted by the service");
    assert!(changed["message"].as_str().unwrap().contains(&format!("compacted from {tokens} to")), "{changed}");
}

#[tokio::test]
async fn calls_instead_of_a_note_are_not_run_and_the_log_replaces_the_note() {
    let home = Home::new();
    let no_note = tools(&[("bash", json!({ "command": "echo wrong >> a.txt" }))]);
    let no_note = json!({ "tools": no_note["tools"] });
    let script = two_conversations(&no_note, &[bash("echo three >> a.txt"), ends()]);
    let run = run_script(&home, &script, &SMALL).await;
    assert_eq!(run.branch().file("a.txt"), "one\ntwo\nthree");
    let opening = text(&last_blocks(run.main_requests()[6])[0]).to_owned();
    for part in [
        "This recap of it comes from the session's log",
        "- bash {\"command\":\"echo two >> a.txt\"}: ok",
        "Working on it.",
    ] {
        assert!(opening.contains(part), "{part} is not in {opening}");
    }
    assert!(!opening.contains("echo wrong"), "{opening}");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_compacted_once_in_a_row() {
    let refused = json!({ "kind": "status", "status": 400, "times": 9, "message": "prompt is too long: 208656 tokens > 200000 maximum" });
    let fault = json!({ "text": "Never said.", "fault": refused });
    let first = json!({ "plan": plan("Add"), "turns": [bash("echo two >> a.txt"), fault] });
    let home = Home::new();
    let second = json!({ "match": "# Where the work stands", "turns": [bash("echo three >> a.txt"), ends()] });
    let once = run_script(&home, &json!({ "scripts": [second, first] }), &[]).await;
    assert_eq!(once.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(once.branch().file("a.txt"), "one\ntwo\nthree");
    assert_eq!(once.of_kind("context.changed")[0]["begins"], 2, "the refused turn is the new conversation's first");

    let home = Home::new();
    let second = json!({ "match": "# Where the work stands", "turns": [fault] });
    let twice = run_script(&home, &json!({ "scripts": [second, first] }), &[]).await;
    assert_eq!(twice.outcome, DriveOutcome::Ended(Status::Failed));
    let failed = twice.of_kind("session.error").remove(0);
    assert_eq!(failed["code"], ErrorCode::ContextExhausted.name());
    assert!(failed["message"].as_str().unwrap().contains("again after 0 replies"), "{failed}");
    assert_eq!(twice.of_kind("context.changed").len(), 1);
}

#[tokio::test]
async fn the_calls_of_a_reply_that_fills_the_window_are_not_run() {
    let mut full = bash("echo wrong >> a.txt");
    full["stop"] = json!("model_context_window_exceeded");
    let home = Home::new();
    let script = json!({ "scripts": [
        { "match": "# Where the work stands", "turns": [bash("echo three >> a.txt"), ends()] },
        { "plan": plan("Add"), "turns": [bash("echo two >> a.txt"), full] },
    ]});
    let run = run_script(&home, &script, &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(run.branch().file("a.txt"), "one\ntwo\nthree");
    assert_eq!(run.of_kind("context.changed").len(), 1);
    let spent: u64 = run.of_kind("budget.settled").iter().map(|settled| settled["cost"].as_u64().unwrap()).sum();
    assert_eq!(run.of_kind("run.finished")[0]["totals"]["cost"].as_u64(), Some(spent));
}

#[test]
fn a_compaction_is_resumed_after_the_death_of_the_process() {
    for (kind, author) in [("user.message", "compaction"), ("context.changed", ""), ("user.message", "brief")] {
        let home = Home::new().with(SMALL[0].0, SMALL[0].1);
        let script = two_conversations(&note(), &[thinking(bash("echo three >> a.txt")), ends()]);
        let mut briefs = 0;
        let session = kill_at(&home, &script, |event| {
            let matches = event["kind"] == kind && (author.is_empty() || event["author"] == author);
            briefs += u32::from(matches);
            // The third brief opens the new conversation: the first two open the plan's and the main one.
            matches && (author != "brief" || briefs == 3)
        });
        resume(&home, &session).expect_code(0);
        let events = home.events(&session);
        assert_eq!(events.of_kind("context.changed").len(), 1, "killed at {kind} {author}");
        assert_eq!(published(&home, &session), "one\ntwo\nthree", "killed at {kind} {author}");
    }
}

#[test]
fn the_users_messages_are_carried_over_word_for_word() {
    let home = Home::new().with(SMALL[0].0, SMALL[0].1);
    let asks = tools(&[("ask_user", json!({ "question": "Which colour?" }))]);
    let script = json!({ "scripts": [
        {
            "match": "# Later message from the user\n\nDark green, please.",
            "turns": [bash("echo three >> a.txt"), json!({ "text": "Dark green it is." })],
        },
        { "plan": plan("Add"), "turns": [
            asks, bash("echo two >> a.txt"), bash("ls"), bash("pwd"), bash("true"), note(), json!({ "text": "Lost." }),
        ]},
    ]});
    let repository = checkout(&home);
    let waits = home.code(&repository, "Add two.", &script, &[]).expect_code(3);
    let done = home.sessions(&["message", &waits.session(), "Dark green, please."]).expect_code(0);
    assert_eq!(done.of_kind("ai.message").pop().unwrap()["message"], "Dark green it is.");
}

#[test]
fn the_events_of_a_compaction_can_be_read_from_a_log() {
    let changed = json!({ "kind": "context.changed", "data": {
        "reason": "it had become long", "tokensBefore": 10, "tokensAfter": 2, "begins": 7,
    }});
    let body: EventBody = serde_json::from_value(changed.clone()).unwrap();
    assert_eq!(serde_json::to_value(&body).unwrap(), changed);
}

/// A log that fails once, at the first batch with an event that `at` selects, before or after it is written.
struct FailsOnce {
    store: Store,
    at: fn(&EventBody) -> bool,
    written: bool,
    failed: AtomicBool,
}

#[async_trait]
impl EventLog for FailsOnce {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        let is_due = batch.iter().any(|event| (self.at)(&event.body));
        let fails = is_due && !self.failed.swap(true, Ordering::SeqCst);
        if !fails || self.written {
            self.store.append(session, after, batch).await?;
        }
        let failure = AppendError::Unavailable(Unavailable::new(domain::Dependency::EventLog, "injected"));
        if fails { Err(failure) } else { Ok(()) }
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        self.store.read(session, after, limit).await
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        self.store.wait(session, after, timeout).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        EventLog::delete(&self.store, session).await
    }
}

#[tokio::test]
async fn a_compaction_happens_once_whichever_of_its_writes_fails() {
    type At = fn(&EventBody) -> bool;
    let writes: [(&str, At); 3] = [
        ("the request", |body| matches!(body, EventBody::UserMessage(message) if message.author == Author::Compaction)),
        ("the call", |body| matches!(body, EventBody::TurnStarted(started) if started.call.turn.0 == 6)),
        ("the new beginning", |body| matches!(body, EventBody::ContextChanged(_))),
    ];
    for (name, at) in writes {
        for written in [false, true] {
            let home = Home::new();
            let script = two_conversations(&note(), &[thinking(bash("echo three >> a.txt")), ends()]);
            let world = world(settings(&home.beside("data"), &SMALL));
            let store = world.store.clone();
            let event_log = Arc::new(FailsOnce { store, at, written, failed: AtomicBool::new(false) });
            let run = run_session_in(&world, &checkout(&home), draft(), &script, event_log).await;
            let context = format!("{name} failed, written: {written}");
            assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done), "{context}");
            assert_eq!(run.of_kind("step.failed").len(), 1, "{context}");
            assert_eq!(run.of_kind("context.changed").len(), 1, "{context}");
            assert_eq!(run.branch().file("a.txt"), "one\ntwo\nthree", "{context}");
            let messages = run.of_kind("user.message");
            let requests = messages.iter().filter(|message| message["author"] == "compaction").count();
            assert_eq!(requests, 1, "{context}");
        }
    }
}
