//! The defects of the first Tiny Backspace, each with a test that this program does not have it.

use serde_json::{Value, json};

use crate::support::{Home, ProgramOutput, bash, contents, ends, git, plan, repository, script, tools};

const SECRET: &str = "sk-ant-api03-not-a-real-key-000000000000";

/// Everything that a run wrote to the disk and to its output, as one text.
fn everything(home: &Home, output: &str) -> String {
    let mut text = output.to_owned();
    let mut pending = vec![home.beside("data")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                text.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
            }
        }
    }
    text
}

#[test]
fn a_secret_reaches_neither_the_sandbox_nor_an_event_nor_the_disk() {
    let home =
        Home::new().with("ANTHROPIC_API_KEY", SECRET).with("GITHUB_TOKEN", "ghp_000000000000000000000000000000000000");
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let leak =
        "env; cat /proc/self/environ | tr '\\0' '\\n'; cat /proc/1/environ /proc/1/cmdline 2>&1; echo done >> a.txt";
    // Spelled backwards, so that the script itself does not contain the token.
    let echo = bash("echo 9876543210zyxwvutsrqponmlkjihgfedcba_phg si nekot eht | rev");
    let prompt = format!("Use the key {SECRET} please.");
    let run = home.code(&checkout, &prompt, &script(&[bash(leak), echo, ends()]), &[]).expect_code(0);
    let outputs: String = run.of_kind("tool.result").iter().map(|result| result["output"].to_string()).collect();
    assert!(outputs.contains("HOME="), "the command did run: {outputs}");
    assert!(outputs.contains("the token is [REDACTED]"), "{outputs}");
    let all = everything(&home, &(run.stdout + &run.stderr));
    assert!(!all.contains(SECRET));
    assert!(!all.contains("ghp_0000"));
    assert!(!all.contains("abcdefghijklmnopqrstuvwxyz0123456789"));
}

#[test]
fn the_text_of_a_prompt_never_becomes_part_of_a_shell_line() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let prompt =
        "Do it\"; touch /tmp/owned; $(touch owned) `touch owned` '; touch owned; #\n\n--upload-pack=touch owned";
    let hostile = json!({
        "plan": plan("x\"; touch owned; $(touch owned) `touch owned` \n --force"),
        "turns": [bash("echo two >> a.txt"), ends()],
    });
    let run = home.code(&checkout, prompt, &hostile, &[]).expect_code(0);
    let opened = run.of_kind("pr.opened").pop().unwrap();
    assert_eq!(opened["title"], "x\"; touch owned; $(touch owned) `touch owned` --force");
    let branch = run.branch();
    let name = &branch.name;
    assert!(name.starts_with("backspace/x-touch-owned"), "{name}");
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte)), "{name}");
    assert!(!home.beside("owned").exists() && !checkout.join("owned").exists());
    assert_eq!(
        git(&branch.repository, &["ls-tree", "--name-only", &branch.name]),
        "a.txt",
        "nothing ran in the sandbox"
    );
    let message = git(&branch.repository, &["log", "-1", "--format=%B", &branch.name]);
    assert!(message.contains("\n\nWhy and how.\n"), "real line breaks in {message:?}");
    assert!(!message.contains("\\n"), "{message:?}");
}

#[test]
fn a_clone_that_fails_ends_the_run_as_failed() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    // Without its objects git can list the branches and cannot fetch their content.
    for entry in std::fs::read_dir(checkout.join(".git/objects")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().len() == 2 {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    let run = home.code(&checkout, "Do it.", &script(&[ends()]), &["--max-minutes", "1"]).expect_code(1);
    assert_eq!(run.values().pop().unwrap()["status"], "failed");
    assert!(run.of_kind("turn.started").is_empty(), "no money was spent");
}

#[test]
fn the_model_gets_the_result_of_every_tool_call() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "the needle\n"), ("b.txt", "hay\n")]);
    let several = tools(&[
        ("grep", json!({ "pattern": "needle" })),
        ("str_replace_based_edit_tool", json!({ "command": "view", "path": "b.txt" })),
        ("no_such_tool", json!({})),
        ("bash", json!({ "command": "echo from bash" })),
    ]);
    // The stand-in plays the next turn only when it has read these words in the results.
    let reacts = json!({
        "text": "Nothing was found.",
        "when": [{ "if": { "resultContains": "from bash" }, "text": "All four results are here.", "then": "write" }],
    });
    let write = json!({ "label": "write", "text": "Writing.", "tools": [{ "name": "bash", "input": { "command": "echo x > c.txt" } }] });
    let run =
        home.code(&checkout, "Look.", &json!({ "plan": plan("Look"), "turns": [several, reacts, write, ends()] }), &[]);
    let run = run.expect_code(0);
    let outputs: Vec<String> = run
        .of_kind("tool.result")
        .iter()
        .map(|result| format!("{}: {}", result["tool"].as_str().unwrap(), result["output"].as_str().unwrap()))
        .collect();
    assert!(outputs.iter().any(|output| output.starts_with("grep: ") && output.contains("the needle")), "{outputs:?}");
    assert!(outputs.iter().any(|output| output.contains("hay")), "{outputs:?}");
    assert!(outputs.iter().any(|output| output.contains("there is no tool \"no_such_tool\"")), "{outputs:?}");
    let messages: Vec<Value> = run.of_kind("ai.message").into_iter().map(|event| event["message"].clone()).collect();
    assert!(messages.contains(&json!("All four results are here.")), "{messages:?}");
}

#[test]
fn sessions_at_the_same_time_do_not_mix() {
    let home = Home::new();
    let runs: Vec<_> = (0..3)
        .map(|n| {
            let checkout = repository(&home, &format!("project{n}"), &[("a.txt", "one\n")]);
            let turns = [bash(&format!("echo only-{n} >> a.txt")), ends()];
            let script = home.write(&format!("s{n}.json"), &script(&turns).to_string());
            let mut command = home.command(&["--json", "code"]);
            command.args([checkout.as_os_str(), "Add.".as_ref(), "--script".as_ref(), script.as_os_str()]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for (n, run) in runs.into_iter().enumerate() {
        let output = run.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
        for any in 0..3 {
            assert_eq!(stdout.contains(&format!("only-{any}")), any == n, "{any} in the output of {n}");
        }
        let sessions: std::collections::HashSet<String> = stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["sessionId"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(sessions.len(), 1);
    }
}

#[test]
fn an_existing_file_is_not_overwritten_before_it_was_viewed() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("README.md", "# The old one\n\nIt took long to write.\n")]);
    let overwrite = json!({ "command": "create", "path": "README.md", "file_text": "# New\n" });
    let turns = [tools(&[("str_replace_based_edit_tool", overwrite)]), bash("echo x > b.txt"), ends()];
    let run = home.code(&checkout, "Write a README.", &script(&turns), &[]).expect_code(0);
    let refused = run.of_kind("tool.result").remove(0);
    assert_eq!(refused["outcome"], "failed");
    let readme = run.branch().file("README.md");
    assert!(readme.starts_with("# The old one"), "{readme}");
}

#[test]
fn the_repositorys_env_file_changes_neither_the_api_url_nor_the_sandbox() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let home = Home::new().with("ANTHROPIC_API_KEY", SECRET).with("ANTHROPIC_BASE_URL", "http://127.0.0.1:1");
    let evil = format!("ANTHROPIC_BASE_URL=http://{}\nBACKSPACE_SANDBOX=reduced\n", listener.local_addr().unwrap());
    let checkout = repository(&home, "project", &[(".env", &evil), ("a.txt", "one\n")]);
    let script = home.write("s.json", &script(&[bash("echo two >> a.txt"), ends()]).to_string());
    let mut command = home.command(&["--json", "code", ".", "Do it.", "--script", script.to_str().unwrap()]);
    let output = command.env_remove("ANTHROPIC_BASE_URL").current_dir(checkout).output().unwrap();
    let created = ProgramOutput::of(output).expect_code(0).of_kind("sandbox.created").remove(0);
    // The message of a reduced sandbox says what it lacks.
    assert!(
        created["message"].as_str().unwrap().ends_with("(local)"),
        "the repository weakened the sandbox: {created}"
    );
    assert!(listener.accept().is_err(), "the repository was asked for the model");
}

#[test]
fn a_repository_named_by_gits_environment_variables_is_left_alone() {
    let home = Home::new();
    let victim = repository(&home, "victim", &[("mine.txt", "mine\n")]);
    let before = contents(&victim);
    let mut command = home.command(&["demo"]);
    let run = command.env("GIT_DIR", victim.join(".git")).env("GIT_WORK_TREE", &victim).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(contents(&victim), before);
}

/// Commit messages and the pull request's file are read in terminals.
#[test]
fn what_the_model_writes_controls_no_terminal() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}evil\u{2066}";
    let mut played = script(&[bash("echo two >> a.txt"), json!({ "text": format!("Done {hostile}.\n\nAnd\tmore.") })]);
    played["plan"]["title"] = json!(format!("Title {hostile}"));
    played["plan"]["summary"] = json!(format!("Why {hostile}"));
    played["plan"]["risks"] = json!([format!("Risk {hostile}")]);
    let run = home.code(&checkout, "Do it.", &played, &[]).expect_code(0);
    let branch = run.branch();
    let message = git(&branch.repository, &["log", "-1", "--format=%B", &branch.name]);
    let opened = run.of_kind("pr.opened").pop().unwrap();
    let file = opened["prUrl"].as_str().unwrap().trim_start_matches("file://").to_owned();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(message.contains("evil") && text.contains("evil") && text.contains("And\tmore"), "{message}\n{text}");
    for shown in [&message, &text] {
        let controls = |c: char| {
            c.is_control() && c != '\n' && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!shown.contains(controls), "{shown:?}");
    }
}
