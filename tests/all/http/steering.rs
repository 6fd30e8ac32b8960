//! Commands to a session over HTTP.

use serde_json::{Value, json};

use crate::support::{
    Frames, Home, ServerProcess, bash, code_request, ends, git, ids, plan, repository, script, tools,
};

/// Watches a session until a frame of a kind arrives.
async fn until(served: &ServerProcess, session: &str, after: u64, kind: &str) -> Value {
    let path = format!("/sessions/{session}/events?after={after}");
    let mut stream = Frames::of(served.request(reqwest::Method::GET, &path).send().await.unwrap());
    loop {
        let frame = stream.next().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
        if frame.data["kind"] == kind {
            return frame.data;
        }
    }
}

#[tokio::test]
async fn a_plan_is_approved_by_its_id_and_replaced_after_a_message() {
    let home = Home::new();
    let mut played = script(&[bash("echo two >> a.txt"), ends()]);
    played["plans"] = json!([plan("Change it another way")]);
    let served = ServerProcess::start(&home, &played);
    let mut body = code_request(&repository(&home, "project", &[("a.txt", "one\n")]), "Add two.");
    body["requirePlanApproval"] = true.into();
    let session = served.begin(&body).await;
    let path = |what: &str| format!("/sessions/{session}/{what}");
    let asked = until(&served, &session, 0, "wait.started").await;
    let first = asked["reason"]["plan"].as_str().unwrap().to_owned();
    let (_, shown) = served.get(&format!("/sessions/{session}")).await;
    assert_eq!(shown["waitsFor"], json!({ "for": "plan_approval", "plan": first }));
    assert_eq!(shown["plan"]["id"], first.as_str());

    let (status, refused) = served.post(&path("approve"), &json!({ "plan": "plan-other" })).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &Value::from("PlanOutdated")));
    let (status, _) = served.post(&path("reject"), &json!({ "message": "Another way, please." })).await;
    assert_eq!(status, 202);
    let again = until(&served, &session, asked["id"].as_u64().unwrap(), "wait.started").await;
    let second = again["reason"]["plan"].as_str().unwrap();
    assert_ne!(second, first);
    assert_eq!(served.post(&path("approve"), &json!({ "plan": first })).await.0, 409, "that plan is outdated");
    assert_eq!(served.post(&path("approve"), &json!({ "plan": second })).await.0, 202);
    let frames = served.watch(&session, 0).await;
    assert_eq!(frames.last().unwrap().data["status"], "done");
    assert_eq!(served.post(&path("approve"), &json!({ "plan": second })).await.0, 409, "nothing waits");
    assert_eq!(served.post(&path("cancel"), &json!({})).await.0, 409, "the run is over");
    assert_eq!(served.post(&path("extend"), &json!({})).await.0, 400, "it adds nothing");
}

#[tokio::test]
async fn a_cancelled_run_ends_at_once_and_an_exhausted_one_resumes_if_extended() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("sleep 60"), ends()]));
    let project = repository(&home, "project", &[("a.txt", "one\n")]);
    let session = served.begin(&code_request(&project, "Wait.")).await;
    until(&served, &session, 0, "tool.started").await;
    assert_eq!(served.post(&format!("/sessions/{session}/cancel"), &json!({})).await.0, 202);
    assert_eq!(served.watch(&session, 0).await.last().unwrap().data["status"], "cancelled");

    let mut body = code_request(&project, "Do it.");
    body["limits"] = json!({ "maxTurns": 1 });
    let served = {
        drop(served);
        ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]))
    };
    let session = served.begin(&body).await;
    let asked = until(&served, &session, 0, "wait.started").await;
    assert_eq!(asked["reason"]["for"], "budget");
    assert_eq!(
        served.post(&format!("/sessions/{session}/extend"), &json!({ "turns": 5, "costUsd": 1.5 })).await.0,
        202
    );
    assert_eq!(served.watch(&session, 0).await.last().unwrap().data["status"], "done");
}

#[tokio::test]
async fn a_file_with_very_many_lines_is_listed_without_a_patch() {
    let home = Home::new();
    let many = |seed: u32| -> String {
        let mut state = seed;
        let letter = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{}\n", char::from(b'a' + (state >> 24) as u8 % 26))
        };
        (0..60_000).map(letter).collect()
    };
    let (one, other) = (many(1), many(2));
    let project = repository(&home, "project", &[("a.txt", &one), ("b.txt", &other), ("c.txt", "one\n")]);
    let served = ServerProcess::start(&home, &script(&[bash("cp b.txt a.txt; echo two >> c.txt"), ends()]));
    let session = served.begin(&code_request(&project, "Copy it.")).await;
    served.watch(&session, 0).await;
    let (status, change) = served.get(&format!("/sessions/{session}/diff")).await;
    assert_eq!(status, 200);
    assert_eq!(change["files"][0]["leftOut"], "the file has too many lines to be compared");
    assert_eq!((&change["files"][1]["path"], &change["files"][1]["additions"]), (&json!("c.txt"), &json!(1)));
    let text =
        served.request(reqwest::Method::GET, &format!("/sessions/{session}/diff")).header("accept", "text/x-diff");
    let text = text.send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with("# left out: a.txt (") && text.contains("+two"), "{text}");
}

#[tokio::test]
async fn a_message_continues_a_finished_session_and_the_diff_covers_all_runs() {
    let home = Home::new();
    let files = [("a.txt", "one\n"), ("gone.txt", "gone\n"), ("run.sh", "true\n"), ("odd \"name\".txt", "x\n")];
    let project = repository(&home, "project", &files);
    let first =
        "echo two >> a.txt; rm gone.txt; chmod +x run.sh; printf new > 'odd \"name\".txt'; mkdir d; echo sub > d/b.txt";
    let second = tools(&[("bash", json!({ "command": "echo three >> a.txt; printf 'a\\000b' > binary" }))]);
    let served = ServerProcess::start(&home, &script(&[bash(first), ends(), second, ends()]));
    let session = served.begin(&code_request(&project, "Change things.")).await;
    let frames = served.watch(&session, 0).await;
    let seen = *ids(&frames).last().unwrap();
    let text = async || {
        let path = format!("/sessions/{session}/diff");
        let request = served.request(reqwest::Method::GET, &path).header("accept", "text/x-diff");
        request.send().await.unwrap().text().await.unwrap()
    };
    // git apply gives the published tree.
    let patch = home.write("change.patch", &text().await);
    let published = frames.iter().find(|frame| frame.data["kind"] == "branch.published").unwrap();
    let branch = published.data["branch"].as_str().unwrap().to_owned();
    let from = published.data["url"].as_str().unwrap().to_owned();
    git(&project, &["fetch", "--quiet", &from, &branch]);
    git(&project, &["apply", "--index", patch.to_str().unwrap()]);
    assert_eq!(git(&project, &["write-tree"]), git(&project, &["rev-parse", "FETCH_HEAD^{tree}"]));

    let (status, said) = served.post(&format!("/sessions/{session}/messages"), &json!({ "text": "And three." })).await;
    assert_eq!((status, &said["run"]), (202, &json!(2)));
    let rest = served.watch(&session, seen).await;
    assert_eq!(rest.last().unwrap().data["status"], "done", "{:?}", rest.last());
    let (_, change) = served.get(&format!("/sessions/{session}/diff")).await;
    let paths: Vec<&str> =
        change["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        ["a.txt", "binary", "d/b.txt", "gone.txt", "odd \"name\".txt"],
        "both runs; a mode that the first run has published is not compared"
    );
    let file =
        |path: &str| change["files"].as_array().unwrap().iter().find(|file| file["path"] == path).unwrap().clone();
    assert_eq!((&file("a.txt")["additions"], &file("a.txt")["deletions"]), (&json!(2), &json!(0)));
    assert_eq!(file("binary")["leftOut"], "the file is binary");
    assert_eq!(file("gone.txt")["status"], "deleted");
}
