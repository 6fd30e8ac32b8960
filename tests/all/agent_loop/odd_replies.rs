//! Replies that are valid JSON and odd otherwise: repeated ids, texts without a character, no content, broken inputs.

use domain::Status;
use local::DriveOutcome;
use serde_json::{Value, json};

use super::run_script;
use crate::support::{Home, SessionRun, bash, ends, last_blocks, script, tools};

fn call(id: &str, command: &str) -> Value {
    json!({ "type": "tool_use", "id": id, "name": "bash", "input": { "command": command } })
}

fn turn(blocks: &[Value]) -> Value {
    json!({ "content": blocks })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// The calls and results of a request: the id, and what was called or answered.
fn calls(request: &Value) -> Vec<(String, String)> {
    let blocks =
        request["messages"].as_array().unwrap().iter().flat_map(|message| message["content"].as_array().unwrap());
    let shown = |block: &Value| match block["type"].as_str()? {
        "tool_use" => Some((block["id"].as_str()?.to_owned(), block["input"]["command"].as_str()?.to_owned())),
        "tool_result" => Some((block["tool_use_id"].as_str()?.to_owned(), block["content"].as_str()?.to_owned())),
        _ => None,
    };
    blocks.filter_map(shown).collect()
}

fn outputs(run: &SessionRun) -> Vec<Value> {
    run.of_kind("tool.result").into_iter().map(|result| result["output"].clone()).collect()
}

#[tokio::test]
async fn calls_that_share_an_id_are_told_apart() {
    let twice =
        turn(&[call("toolu_1", "echo one > b.txt; cat b.txt"), call("toolu_1", "echo two >> b.txt; cat b.txt")]);
    let again = turn(&[call("toolu_1", "echo three")]);
    let odd = turn(&[call("functions.bash:0", "echo four"), call("", "echo five"), call("toolu_9", "echo six")]);
    let home = Home::new();
    let run = run_script(&home, &script(&[twice, again, odd, ends()]), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(outputs(&run), ["one\n", "one\ntwo\n", "three\n", "four\n", "five\n", "six\n"]);
    let sent = calls(run.main_requests().last().unwrap());
    let ids: Vec<&str> = sent.iter().map(|(id, _)| id.as_str()).collect();
    let named = ["toolu_1", "call_t1_2", "toolu_1", "call_t1_2", "call_t2_1", "call_t2_1"];
    assert_eq!(ids[..6], named);
    assert_eq!(ids[6..], ["call_t3_1", "call_t3_2", "toolu_9", "call_t3_1", "call_t3_2", "toolu_9"]);
    assert_eq!(sent[3].1, "one\ntwo\n", "each result stands under the id of its call");
}

#[tokio::test]
async fn texts_without_a_character_are_not_sent_back() {
    let turns = [
        turn(&[text(""), call("toolu_1", "echo two >> a.txt; printf '\\n'")]),
        turn(&[text("\n\n"), call("toolu_2", "cat a.txt"), text("")]),
        turn(&[text(" ")]),
    ];
    let home = Home::new();
    let run = run_script(&home, &script(&turns), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let request = run.main_requests()[2];
    let kinds =
        |message: &Value| message["content"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect();
    let kinds: Vec<Vec<Value>> = request["messages"].as_array().unwrap().iter().map(kinds).collect();
    assert_eq!(kinds[1..], [["tool_use"], ["tool_result"], ["tool_use"], ["tool_result"]]);
    assert_eq!(request["messages"][2]["content"][0]["content"], "(no output)");
}

#[test]
fn an_empty_last_reply_after_work_ends_it_and_the_session_can_go_on() {
    let home = Home::new();
    let mut silent = turn(&[text("")]);
    // The stand-in does not see the empty reply, so it comes to the same turn again.
    silent["when"] = json!([{ "if": { "userContains": "And three." }, "text": "There is nothing to add." }]);
    let turns = [bash("echo two >> a.txt"), silent];
    let done = home.code(&super::checkout(&home), "Add.", &script(&turns), &[]).expect_code(0);
    assert_eq!(done.final_status(), "done");
    home.sessions(&["message", &done.session(), "And three."]).expect_code(0);
}

#[tokio::test]
async fn a_model_that_says_nothing_is_asked_once_more() {
    for silent in [turn(&[]), json!({ "thinking": "Hm." }), turn(&[text("\n")])] {
        let mut first = silent.clone();
        first["when"] = json!([{
            "if": { "userContains": "Your reply was empty" },
            "tools": [{ "name": "bash", "input": { "command": "echo two >> a.txt" } }],
        }]);
        // The stand-in sees a reply of thinking, and goes on to the next turn.
        let second = bash("echo two >> a.txt");
        let home = Home::new();
        let run = run_script(&home, &script(&[first, second, ends()]), &[]).await;
        assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done), "{silent}");
        let asked = run.of_kind("user.message").into_iter().filter(|message| message["author"] == "nudge").count();
        assert_eq!(asked, 1, "{silent}");

        let home = Home::new();
        let run =
            run_script(&home, &script(&[silent.clone(), silent.clone(), bash("echo two >> a.txt"), ends()]), &[]).await;
        assert_eq!(run.outcome, DriveOutcome::Ended(Status::Failed), "{silent}");
        assert_eq!(run.of_kind("session.error")[0]["code"], "ModelGaveNoAnswer", "{silent}");
        assert_eq!(run.main_requests().len(), 2, "{silent}");
    }
}

#[tokio::test]
async fn broken_json_is_named_and_not_run() {
    let broken =
        json!({ "type": "tool_use", "id": "toolu_1", "name": "bash", "input": "{\"command\": \"echo hi\" \"x\"}" });
    let home = Home::new();
    let run = run_script(&home, &script(&[turn(&[broken]), bash("echo two >> a.txt"), ends()]), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let result = &last_blocks(run.main_requests()[1])[0];
    let read = result["content"].as_str().unwrap();
    assert!(read.contains("not a valid JSON object: expected `,` or `}` at line 1 column 23"), "{read}");
    assert_eq!(result["is_error"], true);
}

#[tokio::test]
async fn inputs_with_one_meaning_are_taken() {
    let edit = "str_replace_based_edit_tool";
    let turns = [
        tools(&[
            (
                "update_todos",
                json!({ "todos": "[{\"content\": \"x\", \"status\": \"pending\", \"activeForm\": \"y\"}]" }),
            ),
            (edit, json!({ "command": "view", "path": "a.txt", "view_range": "[1, 1]" })),
            (edit, json!({ "command": "view", "path": "a.txt", "view_range": ["1", "1"] })),
            ("grep", json!({ "pattern": "one", "context": "2", "ignore_case": "true", "glob": null, "why": "x" })),
        ]),
        tools(&[
            (edit, json!({ "command": "insert", "path": "a.txt", "insert_line": "1", "insert_text": "two\n" })),
            (edit, json!({ "command": "str_replace", "path": "a.txt", "old_str": "one\n", "new_str": null })),
            (edit, json!({ "command": "create", "path": "list.json", "file_text": "[1, 2]" })),
            ("bash", json!({ "command": "cat a.txt list.json", "description": "why", "timeout": 1000 })),
        ]),
        ends(),
    ];
    let home = Home::new();
    let run = run_script(&home, &script(&turns), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let outcomes: Vec<Value> = run.of_kind("tool.result").into_iter().map(|result| result["outcome"].clone()).collect();
    assert_eq!(outcomes, vec![json!("ok"); 8], "{:?}", outputs(&run));
    assert_eq!(outputs(&run)[7], "two\n[1, 2]");
}

#[tokio::test]
async fn searches_that_find_nothing_are_answers_and_no_loop() {
    let mut turns: Vec<Value> = (0..14).map(|n| bash(&format!("grep -rn 'pattern_{n}' ."))).collect();
    turns.extend([bash("test -f missing && echo yes"), bash("echo two >> a.txt"), ends()]);
    let home = Home::new();
    let run = run_script(&home, &script(&turns), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(run.of_kind("agent.stuck").len(), 0);
    let first = &run.of_kind("tool.result")[0];
    assert_eq!((&first["outcome"], &first["exitCode"]), (&json!("ok"), &json!(1)));
    let result = &last_blocks(run.main_requests()[1])[0];
    assert_eq!((&result["content"], &result["is_error"]), (&json!("[exit code 1]"), &Value::Null));
}

#[tokio::test]
async fn inputs_that_cannot_be_read_are_a_loop_only_when_they_repeat() {
    let wrong = |path: Value| tools(&[("str_replace_based_edit_tool", json!({ "command": "view", "path": path }))]);
    let mut turns: Vec<Value> = (0..12).map(|n| wrong(json!([n]))).collect();
    turns.extend([bash("echo two >> a.txt"), ends()]);
    let home = Home::new();
    let run = run_script(&home, &script(&turns), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(run.of_kind("agent.stuck").len(), 0);

    let home = Home::new();
    let same: Vec<Value> = std::iter::repeat_n(wrong(json!([1])), 8).collect();
    let run = run_script(&home, &script(&same), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::AwaitingUser);
    assert_eq!(run.of_kind("agent.stuck").len(), 2);
    let id = run.of_kind("wait.started")[0]["sessionId"].as_str().unwrap().to_owned();
    home.run(&["--json", "sessions", "cancel", &id]).expect_code(0);
}
