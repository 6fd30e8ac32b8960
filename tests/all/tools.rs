//! The tools as the model uses them: state between calls, limits, and what a result says about how a call ended.

use serde_json::{Value, json};

use crate::support::{Home, ProgramOutput, bash, ends, repository, script, tools};

/// Runs a session with these turns. Returns it with the output of each tool call.
fn outputs(home: &Home, turns: &[Value]) -> (ProgramOutput, Vec<String>) {
    let checkout = repository(
        home,
        "project",
        &[
            ("src/a.txt", "one\r\ntwo\r\n"),
            ("nested/AGENTS.md", "Use tabs here.\n"),
            ("nested/b.txt", "b\n"),
            (".gitignore", "*.log\n"),
        ],
    );
    let mut turns = turns.to_vec();
    turns.push(ends());
    let run = home.code(&checkout, "Do it.", &script(&turns), &[]).expect_code(0);
    let results = run.of_kind("tool.result");
    let outputs = results.iter().map(|result| result["output"].as_str().unwrap_or_default().to_owned()).collect();
    (run, outputs)
}

#[test]
fn a_shell_keeps_its_directory_and_exports_until_it_is_restarted() {
    let home = Home::new();
    let turns = [
        bash("cd src && export COLOUR='dark \"green\"\n$x' && unexported=1"),
        bash("pwd; echo \"$COLOUR\"; echo \"[$unexported]\""),
        tools(&[("bash", json!({ "restart": true }))]),
        bash("pwd; echo \"[$COLOUR]\""),
    ];
    let (_, outputs) = outputs(&home, &turns);
    assert!(outputs[1].ends_with("/src\ndark \"green\"\n$x\n[]\n"), "{:?}", outputs[1]);
    assert!(outputs[2].contains("restarted"), "{:?}", outputs[2]);
    assert!(outputs[3].ends_with("\n[]\n") && !outputs[3].contains("/src"), "{:?}", outputs[3]);
}

#[test]
fn commands_never_wait_for_a_terminal_and_report_how_they_ended() {
    let home = Home::new().with("BACKSPACE_COMMAND_SECONDS", "2");
    let turns = [
        bash("read -r answer; echo \"read ended with $?\"; cat; git log | head -1; sh -c 'exit 7'"),
        bash("sleep 100 & echo started"),
        bash("(trap '' TERM; sleep 100) & sleep 100"),
        bash("kill -9 $$"),
    ];
    let (run, outputs) = outputs(&home, &turns);
    assert!(outputs[0].contains("read ended with 1") && outputs[0].ends_with("[exit code 7]"), "{:?}", outputs[0]);
    assert!(outputs[1].contains("started\n[1 background process ended with this call]"), "{:?}", outputs[1]);
    assert!(outputs[2].contains("[killed after 2 s"), "{:?}", outputs[2]);
    assert!(outputs[3].contains("[ended by signal 9]"), "{:?}", outputs[3]);
    let codes: Vec<Value> = run.of_kind("tool.result").into_iter().map(|result| result["exitCode"].clone()).collect();
    assert_eq!(codes, [json!(7), json!(0), Value::Null, json!(137)]);
}

#[test]
fn a_long_output_is_cut_in_the_middle_and_stored_whole() {
    let home = Home::new();
    let find =
        "f=$(echo /outputs/*/stdout | tr ' ' '\\n' | xargs ls -S | head -1); grep -c line \"$f\"; sed -n 50000p \"$f\"";
    let turns = [bash("seq -f 'line %g' 1 100000"), bash(find)];
    let (_, outputs) = outputs(&home, &turns);
    assert!(outputs[0].chars().count() < 31_000, "{}", outputs[0].len());
    assert!(outputs[0].starts_with("line 1\nline 2\n") && outputs[0].ends_with("line 99999\nline 100000\n"));
    assert!(
        outputs[0].contains("bytes cut here; the whole output is kept in /outputs/"),
        "{}",
        &outputs[0][14000..16000]
    );
    assert_eq!(outputs[1], "100000\nline 50000\n");
}

#[test]
fn an_edit_that_does_not_apply_changes_nothing_and_line_endings_stay() {
    let home = Home::new();
    let edit = |old: &str, new: &str| {
        let input = json!({ "command": "str_replace", "path": "src/a.txt", "old_str": old, "new_str": new });
        tools(&[("str_replace_based_edit_tool", input)])
    };
    let turns = [
        edit("three", "x"),
        edit("o", "x"),
        edit("one\ntwo", "one\n1.5\ntwo"),
        bash("od -c src/a.txt | head -3; git diff --stat"),
    ];
    let (run, outputs) = outputs(&home, &turns);
    let outcomes: Vec<Value> = run.of_kind("tool.result").into_iter().map(|result| result["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("failed"), json!("failed"), json!("ok"), json!("ok")]);
    assert!(outputs[1].contains('1') && outputs[1].contains('2'), "the lines of both matches: {}", outputs[1]);
    assert!(outputs[3].contains("o   n   e  \\r  \\n   1   .   5  \\r  \\n   t   w   o  \\r  \\n"), "{}", outputs[3]);
}

#[test]
fn the_model_reads_the_instructions_of_a_directory_that_it_touches() {
    let home = Home::new();
    let todos = json!({ "todos": [{ "content": "One", "status": "completed" }, { "content": "Two", "status": "in_progress" }] });
    let view = json!({ "command": "view", "path": "nested/b.txt" });
    let turns = [
        tools(&[("update_todos", todos), ("str_replace_based_edit_tool", view)]),
        json!({
            "text": "No instructions came.",
            "when": [{ "if": { "userContains": "Use tabs here." }, "text": "The instructions came.", "then": "end" }],
        }),
        json!({ "label": "end", "text": "Writing.", "tools": [{ "name": "bash", "input": { "command": "echo x > c.txt" } }] }),
    ];
    let (run, outputs) = outputs(&home, &turns);
    assert!(outputs[0].contains("1 of 2 done"), "{}", outputs[0]);
    assert_eq!(run.of_kind("todo.updated")[0]["items"][1]["content"], "Two");
    assert_eq!(run.of_kind("instructions.read")[0]["path"], "nested/AGENTS.md");
    let messages: Vec<Value> = run.of_kind("ai.message").into_iter().map(|event| event["message"].clone()).collect();
    assert!(messages.contains(&json!("The instructions came.")), "{messages:?}");
}

#[test]
fn a_command_reaches_neither_files_nor_ports_of_the_machine() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let home = Home::new();
    let outside = home.write("outside.txt", "the host's own words");
    let outside = outside.display();
    let probe = format!(
        "cat {outside}; cat /etc/shadow; ln -s {outside} link; cat link; echo x > /usr/owned; echo x > /outputs/owned; \
         (exec 3<>/dev/tcp/127.0.0.1/{port}) && echo connected; ls {}; echo probed",
        home.beside("data").display()
    );
    let view = json!({ "command": "view", "path": "link" });
    let turns = [bash(&probe), tools(&[("str_replace_based_edit_tool", view)]), bash("rm link")];
    let (run, outputs) = outputs(&home, &turns);
    assert!(outputs[0].contains("probed"), "every command was tried: {}", outputs[0]);
    assert!(!outputs[0].contains("the host's own words") && !outputs[0].contains("root:"), "{}", outputs[0]);
    assert!(!outputs[0].contains("connected"), "{}", outputs[0]);
    assert_eq!(run.of_kind("tool.result")[1]["outcome"], "failed");
    assert!(!outputs[1].contains("the host's own words"), "{}", outputs[1]);
    assert!(!std::path::Path::new("/usr/owned").exists());
}

#[test]
fn a_command_may_use_any_variable_name() {
    let home = Home::new();
    let turns = [
        bash(
            "state=1 status=2 command=3; export state command='echo hijacked' PATH; set -a; kept=4; set -euC; echo x > b.txt",
        ),
        bash("echo \"real $kept\"; ls"),
        bash("export command=again; cd src"),
        bash("pwd; git status --short"),
    ];
    let (run, outputs) = outputs(&home, &turns);
    assert!(outputs[1].starts_with("real 4\n") && !outputs[1].contains("hijacked"), "{}", outputs[1]);
    assert!(outputs[3].contains("/src\n"), "{}", outputs[3]);
    let changed: Vec<Value> = run.of_kind("file.changed").into_iter().map(|changed| changed["path"].clone()).collect();
    assert_eq!(changed, [json!("b.txt")], "nothing of the environment became a file");
}

#[test]
fn a_command_that_breaks_its_path_can_be_repaired_by_the_next() {
    let home = Home::new();
    let turns = [
        bash(
            "mkdir bin; printf '#!/bin/sh\\necho hijacked\\n' > bin/cat; chmod +x bin/cat; export PATH=$PWD/bin:$PATH",
        ),
        bash("rm -r bin; export PATH=/usr/bin:/bin; echo mended"),
        bash("echo x | cat"),
    ];
    let (_, outputs) = outputs(&home, &turns);
    assert_eq!(outputs[1..], ["mended\n", "x\n"]);
}

#[test]
fn a_run_names_the_files_that_it_cannot_publish() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let turns = [bash("head -c 30000000 /dev/zero > big.bin; ln -s /etc/passwd link"), ends(), ends()];
    let run = home.code(&checkout, "Do it.", &script(&turns), &[]).expect_code(7);
    let finished = run.values().pop().unwrap();
    assert_eq!(finished["status"], "nothing");
    let summary = finished["summary"].as_str().unwrap();
    assert!(summary.contains("big.bin") && summary.contains("link"), "{summary}");
}
