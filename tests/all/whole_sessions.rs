//! Whole sessions as snapshots: every public event, and every message that the model was sent.
//!
//! After an intended change accept the new snapshots with
//! `INSTA_UPDATE=always cargo test -p tests --test all whole_sessions`, and read their difference before the commit.

use std::fmt::Write as _;

use domain::UncheckedRequest;
use serde_json::{Value, json};

use crate::support::{Home, SessionRun, bash, plan, repository, run_session, script, tools};

/// Patterns of what differs from run to run, and their replacements.
const REDACTIONS: [(&str, &str); 6] = [
    (r"\b[0-9a-f]{40}\b", "[commit]"),
    (r"\bproject-[0-9a-f]{8}\b", "project-[hash]"),
    (r"\$\d+\.\d+", "$$[cost]"),
    (r"\bin \d+(\.\d+)? s\b", "in [time]"),
    (r"\bafter \d+(\.\d+)? s\b", "after [time]"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "[timestamp]"),
];

/// The longest text in a snapshot of a conversation, in characters.
const MAX_TEXT: usize = 100;

/// Asserts that a text is as in the stored snapshot, without what `REDACTIONS` replace.
macro_rules! assert_redacted {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ filters => REDACTIONS, omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($name, $text);
        });
    };
}

/// A session with calls that run side by side, a failed call, an edit, a check of the project and a decision.
async fn typical_session() -> (Home, SessionRun) {
    let home = Home::new();
    let files = [
        ("greeting.py", "def greet(name):\n    return \"Hello \" + name\n"),
        ("test_greeting.py", "import unittest\n"),
        ("Makefile", "test:\n\t@grep -q Good greeting.py && echo passed\n"),
        ("AGENTS.md", "Keep functions short.\n"),
    ];
    let project = repository(&home, "project", &files);
    let edit = |old: &str| {
        let input = json!({ "command": "str_replace", "path": "greeting.py", "old_str": old, "new_str": "Good day " });
        ("str_replace_based_edit_tool", input)
    };
    let todo = |status: &str| ("update_todos", json!({ "todos": [{ "content": "Greet politely", "status": status }] }));
    let mut look = tools(&[
        ("glob", json!({ "pattern": "greet*.py" })),
        ("str_replace_based_edit_tool", json!({ "command": "view", "path": "greeting.py" })),
        ("grep", json!({ "pattern": "Hello" })),
        todo("in_progress"),
    ]);
    look["thinking"] = json!("The function is the only place with the greeting.");
    let decision = json!({ "decision": "Change the text only", "reason": "No caller needs more", "alternatives": [] });
    let turns = [
        look,
        tools(&[edit("Hi "), ("record_decision", decision)]),
        tools(&[edit("Hello "), ("bash", json!({ "command": "make test" })), todo("completed")]),
        json!({ "text": "The greeting is polite now." }),
    ];
    let script = json!({ "plan": plan("Greet politely"), "turns": turns });
    let draft = UncheckedRequest { prompt: "Greet people politely.".to_owned(), ..UncheckedRequest::default() };
    let run = run_session(&home, &project, draft, &[], &script).await;
    (home, run)
}

#[tokio::test]
async fn a_session_writes_these_events_and_sends_these_conversations() {
    let (home, run) = typical_session().await;
    let events = run.public_events();
    assert_redacted!("events", event_lines(&home, &events));
    let requests = run.main_requests();
    let text = format!(
        "# Plan\n{}\n# Main conversation, as of the last of {} requests\n{}",
        conversation(&run.requests[0]),
        requests.len(),
        conversation(requests.last().unwrap()),
    );
    assert_redacted!("conversations", redact_ids(&home, &events, text));
}

#[test]
fn a_session_with_a_question_to_the_user_writes_these_events() {
    let home = Home::new();
    let project = repository(&home, "project", &[("a.txt", "one\n")]);
    let question = tools(&[("ask_user", json!({ "question": "Which colour?" }))]);
    let turns = [question, bash("echo green >> a.txt"), json!({ "text": "It is green." })];
    let waiting = home.code(&project, "Add a colour.", &script(&turns), &[]).expect_code(3);
    let session = waiting.session();
    home.sessions(&["message", &session, "Green, please."]).expect_code(0);
    assert_redacted!("events_with_a_question", event_lines(&home, &home.events(&session).values()));
}

/// One line for each event: kind, step, message.
fn event_lines(home: &Home, events: &[Value]) -> String {
    let mut lines = String::new();
    for event in events {
        let field = |name: &str| event[name].as_str().unwrap_or("-");
        // How many of these there are depends on how long the clone takes.
        if field("kind") != "clone.progress" {
            let line = format!("{:22} {:14} {}", field("kind"), field("step"), field("message"));
            writeln!(lines, "{}", line.trim_end()).unwrap();
        }
    }
    redact_ids(home, events, lines)
}

/// Replaces the home's path, the session's id and the calls' ids, which are random in each run.
fn redact_ids(home: &Home, events: &[Value], text: String) -> String {
    let session = events[0]["sessionId"].as_str().unwrap();
    let lower = session.to_lowercase();
    let mut text = text.replace(&home.path().display().to_string(), "[home]").replace(session, "[session]");
    // Sandboxes are named after the session, branches after the end of its id.
    text = text.replace(&lower, "[session]").replace(&lower[lower.len() - 8..], "[session]");
    let calls = events.iter().filter(|event| event["kind"] == "tool.call").filter_map(|event| event["call"].as_str());
    for (number, call) in (1..).zip(calls) {
        text = text.replace(call, &format!("[call {number}]"));
    }
    text
}

/// One line for each block of a request's messages: role, type, text.
fn conversation(request: &Value) -> String {
    let mut lines = String::new();
    for message in request["messages"].as_array().unwrap() {
        for block in message["content"].as_array().unwrap() {
            let text = match block["type"].as_str().unwrap() {
                "text" => block["text"].to_string(),
                "thinking" => block["thinking"].to_string(),
                "tool_use" => format!("{} {} {}", block["id"], block["name"], block["input"]),
                "tool_result" if block["is_error"] == true => {
                    format!("{} failed: {}", block["tool_use_id"], block["content"])
                }
                "tool_result" => format!("{}: {}", block["tool_use_id"], block["content"]),
                other => panic!("a block of type {other}: {block}"),
            };
            let role = message["role"].as_str().unwrap();
            writeln!(lines, "{role:10} {:12} {}", block["type"].as_str().unwrap(), shorten(&text)).unwrap();
        }
    }
    lines
}

/// The beginning of a text, with how much of it was left out.
fn shorten(text: &str) -> String {
    let length = text.chars().count();
    if length <= MAX_TEXT {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(MAX_TEXT).collect();
    format!("{beginning}… ({length} characters)")
}
