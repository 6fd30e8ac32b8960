//! What commands of a session reach. Nothing here leaves the machine: whatever is asked for is refused.

use serde_json::{Value, json};

use crate::support::{Home, ProgramOutput, bash, ends, repository, script};

/// A home whose package managers ask for nothing: they were recorded on a day far ahead.
fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.beside("data")).unwrap();
    home.write("data/registries.json", &json!({ "recordedAt": "2999-01-01T00:00:00Z", "tools": [] }).to_string());
    home
}

/// A command that asks the proxy for hosts and prints the status line of each answer.
fn ask(requests: &[&str]) -> String {
    let one = |request: &&str| {
        format!(
            "exec 3<>/dev/tcp/127.0.0.1/3128; printf '{request} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3; head -n 1 <&3; "
        )
    };
    requests.iter().map(one).collect::<String>() + "echo done > note"
}

fn refused(run: &ProgramOutput) -> Vec<(String, Value, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let events = run.of_kind("network.refused");
    events.iter().map(|event| (text(&event["host"]), event["port"].clone(), text(&event["reason"]))).collect()
}

#[test]
fn hosts_that_are_not_listed_are_refused_and_everybody_is_told() {
    let home = home().with("BACKSPACE_REGISTRIES", "localhost:80, registry.invalid");
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let asked = [
        "CONNECT evil.invalid:443",
        "CONNECT evil.invalid:443",
        "CONNECT registry.invalid:443",
        "GET http://localhost/",
    ];
    let turns = [bash(&ask(&asked)), bash("env | sort"), ends()];
    let run = home.code(&checkout, "Do it.", &script(&turns), &["--network", "registries"]).expect_code(0);
    assert_eq!(
        refused(&run),
        [
            ("evil.invalid".to_owned(), json!(443), "it is not on the list of hosts".to_owned()),
            ("registry.invalid".to_owned(), json!(443), "its name does not resolve".to_owned()),
            ("localhost".to_owned(), json!(80), "its address is loopback".to_owned()),
        ]
    );
    assert_eq!(run.of_kind("sandbox.created")[0]["network"], "registries");
    let results = run.of_kind("tool.result");
    let told = results[0]["output"].as_str().unwrap();
    assert!(told.contains("403 Refused by network policy: it is not on the list of hosts"), "{told}");
    let environment = results[1]["output"].as_str().unwrap();
    assert!(environment.contains("HTTPS_PROXY=http://127.0.0.1:3128\n"), "{environment}");
    let opened = run.of_kind("pr.opened").pop().unwrap();
    let text = std::fs::read_to_string(opened["prUrl"].as_str().unwrap().trim_start_matches("file://")).unwrap();
    assert!(
        text.contains("## Refused by the network policy\n\n- `evil.invalid`\n- `registry.invalid`\n- `localhost`\n"),
        "{text}"
    );
}

#[test]
fn an_open_network_does_not_reach_the_machine_and_its_neighbours() {
    let home = home().with("BACKSPACE_NETWORK", "open");
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = own.local_addr().unwrap().port();
    let near = format!("CONNECT 127.0.0.1:{port}");
    let asked =
        [near.as_str(), "CONNECT [::ffff:127.0.0.1]:443", "GET http://169.254.169.254/", "GET http://10.0.0.1/"];
    let run = home.code(&checkout, "Do it.", &script(&[bash(&ask(&asked)), ends()]), &[]).expect_code(0);
    let reasons: Vec<String> = refused(&run).into_iter().map(|(_, _, reason)| reason).collect();
    let expected = ["loopback", "loopback", "link-local", "private"].map(|class| format!("its address is {class}"));
    assert_eq!(reasons, expected);
    own.set_nonblocking(true).unwrap();
    assert!(own.accept().is_err());
}

#[test]
fn without_a_network_there_is_no_proxy() {
    let home = home();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let asks = "env | grep -i proxy; (exec 3<>/dev/tcp/127.0.0.1/3128) 2>&1; echo done > note";
    let run = home.code(&checkout, "Do it.", &script(&[bash(asks), ends()]), &[]).expect_code(0);
    let result = run.of_kind("tool.result").remove(0);
    let output = result["output"].as_str().unwrap();
    assert!(output.contains("Connection refused") && !output.contains("PROXY"), "{output}");
    assert_eq!(run.of_kind("network.refused").len() + run.of_kind("network.allowed").len(), 0);
}

#[test]
fn the_reduced_mode_says_that_it_has_no_network() {
    let home = home().with("BACKSPACE_SANDBOX", "reduced");
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let run = home.code(&checkout, "Do it.", &script(&[ends()]), &["--network", "open"]);
    assert_eq!(run.final_status(), "failed");
    assert!(
        run.stdout.contains("SandboxUnavailable") && run.stdout.contains("the reduced mode has no network"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_word_that_names_no_network_is_refused() {
    let home = home();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let run = home.code(&checkout, "Do it.", &script(&[ends()]), &["--network", "wide"]).expect_code(2);
    assert!(run.stderr.contains("none, registries or open is expected"), "{}", run.stderr);
    for (name, value) in
        [("BACKSPACE_NETWORK", "wide"), ("BACKSPACE_REGISTRIES", "https://host/"), ("BACKSPACE_TOOLCHAINS", "yes")]
    {
        let home = Home::new().with(name, value);
        let run = home.code(&checkout, "Do it.", &script(&[ends()]), &[]).expect_code(5);
        assert!(
            run.stdout.contains(name) && run.stdout.contains("expected") || run.stdout.contains("is no host"),
            "{}",
            run.stdout
        );
    }
}
