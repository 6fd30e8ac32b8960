//! Streams: what they show, how they end, and how a client resumes them.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Frames, Home, ServerProcess, bash, code_request, ends, frames, ids, repository, script};

fn small(home: &Home) -> std::path::PathBuf {
    repository(home, "project", &[("a.txt", "one\n")])
}

#[tokio::test]
async fn a_prompt_without_an_accept_header_is_answered_with_a_stream() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]));
    let request = served.request(Method::POST, "/code").json(&code_request(&small(&home), "Add two."));
    let response = request.send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let frames = frames(response).await;

    let opened = &frames[0];
    assert_eq!((opened.id, &opened.data["kind"]), (None, &Value::from("stream.opened")));
    assert_eq!(opened.data["eventsUrl"], format!("{location}/events"));
    let seen = ids(&frames);
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "every stored frame has the number of its event");
    for frame in &frames {
        assert!(frame.event.is_none(), "stored frames have no name: {frame:?}");
        assert!(frame.data["message"].is_string() && frame.data["type"].is_string(), "{frame:?}");
        assert!(frame.id.is_none() || frame.data["id"] == frame.id.unwrap());
    }
    let tools: Vec<&Value> =
        frames.iter().map(|frame| &frame.data).filter(|data| data["type"] == "Tool: Bash").collect();
    assert_eq!(tools.len(), 1, "each tool shows once");
    assert_eq!(tools[0]["command"], "echo two >> a.txt");
    let last = &frames.last().unwrap().data;
    assert_eq!((&last["type"], &last["status"]), (&Value::from("completion"), &Value::from("done")));
    assert!(last["pr_url"].as_str().unwrap().starts_with(&served.address), "{last}");
    assert!(last["summary"].as_str().unwrap().contains("1 file changed"), "{last}");
    // Nothing private of the log is shown.
    assert!(!frames.iter().any(|frame| frame.data.get("reply").is_some()));
}

#[tokio::test]
async fn a_client_that_prefers_json_or_async_gets_the_session_at_once() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[ends()]));
    let body = code_request(&small(&home), "Do nothing.");
    for (name, value) in [("accept", "application/json"), ("prefer", "respond-async")] {
        let response = served.request(Method::POST, "/code").header(name, value).json(&body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 202, "{name}: {value}");
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let session: Value = response.json().await.unwrap();
        assert_eq!(location, format!("/sessions/{}", session["id"].as_str().unwrap()));
        assert_eq!(session["eventsUrl"], format!("{location}/events"));
        served.watch(session["id"].as_str().unwrap(), 0).await;
        let (status, shown) = served.get(&location).await;
        assert_eq!((status, &shown["status"]), (200, &Value::from("nothing")));
    }
    let (_, first) = served.get("/sessions?limit=1").await;
    assert_eq!(first["sessions"].as_array().unwrap().len(), 1);
    let cursor = first["nextCursor"].as_str().unwrap();
    let (_, second) = served.get(&format!("/sessions?limit=1&cursor={cursor}")).await;
    assert_ne!(first["sessions"][0]["id"], second["sessions"][0]["id"]);
    assert_eq!(second["nextCursor"], Value::Null);
}

#[tokio::test]
async fn a_viewer_resumes_where_it_was_and_gets_204_after_the_end() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]));
    let session = served.begin(&code_request(&small(&home), "Add two.")).await;
    let whole = ids(&served.watch(&session, 0).await);
    let last = *whole.last().unwrap();
    let path = format!("/sessions/{session}/events");

    assert_eq!(ids(&served.watch(&session, 5).await), (6..=last).collect::<Vec<_>>());
    // A browser repeats the first URL and adds the header.
    let with_header = |query: &str, id: &str| {
        served.request(Method::GET, &format!("{path}{query}")).header("last-event-id", id.to_owned()).send()
    };
    assert_eq!(ids(&frames(with_header("?after=5", "9").await.unwrap()).await), (10..=last).collect::<Vec<_>>());
    assert_eq!(with_header("", &last.to_string()).await.unwrap().status().as_u16(), 204);
    assert_eq!(served.get(&format!("{path}?after={last}")).await.1["done"], true);
    for wrong in ["abc", "-1", "18446744073709551616", "1e3"] {
        assert_eq!(with_header("", wrong).await.unwrap().status().as_u16(), 400, "{wrong}");
    }
    let beyond = with_header("", &(last + 100).to_string()).await.unwrap();
    assert_eq!(beyond.status().as_u16(), 400, "there is no such event yet");

    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let (status, page) = served.get(&format!("{path}?after={after}&limit=7")).await;
        assert_eq!(status, 200);
        paged.extend(page["events"].as_array().unwrap().iter().map(|frame| frame["id"].as_u64().unwrap()));
        after = page["nextAfter"].as_u64().unwrap();
        if page["done"] == true {
            break;
        }
    }
    assert!(
        paged.starts_with(&whole),
        "pages show what the stream shows, and the removal of the sandbox after the end"
    );
    let beyond = whole.len() as u64..=paged.len() as u64;
    for after in beyond.skip(1) {
        assert_eq!(with_header("", &after.to_string()).await.unwrap().status().as_u16(), 204, "{after}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_says_where_to_resume() {
    let home = Home::new().with("BACKSPACE_STREAM_SECONDS", "1");
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt; sleep 3"), ends()]));
    let session = served.begin(&code_request(&small(&home), "Add two.")).await;
    let (mut seen, mut streams) = (Vec::new(), 0);
    let mut path = format!("/sessions/{session}/events");
    loop {
        let stream = frames(served.request(Method::GET, &path).send().await.unwrap()).await;
        streams += 1;
        seen.extend(ids(&stream));
        let last = stream.last().unwrap();
        if last.data["kind"] == "run.finished" {
            break;
        }
        assert_eq!((last.id, &last.data["kind"]), (None, &Value::from("resume")), "{last:?}");
        path = last.data["eventsUrl"].as_str().unwrap().to_owned();
    }
    assert!(streams > 1);
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_session_and_its_viewers_resume_after_the_server_dies() {
    let home = Home::new();
    let played = script(&[bash("echo two >> a.txt"), bash("sleep 2; echo three >> a.txt"), ends()]);
    let served = ServerProcess::start(&home, &played);
    let session = served.begin(&code_request(&small(&home), "Add two and three.")).await;
    let response = served.request(Method::GET, &format!("/sessions/{session}/events")).send().await.unwrap();
    let mut stream = Frames::of(response);
    let mut seen = Vec::new();
    while let Some(frame) = stream.next().await {
        seen.extend(frame.id);
        if frame.data["kind"] == "tool.result" {
            break;
        }
    }
    served.kill();
    let served = ServerProcess::start(&home, &played);
    let rest = served.watch(&session, *seen.last().unwrap()).await;
    seen.extend(ids(&rest));
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
    let last = &rest.last().unwrap().data;
    assert_eq!(last["status"], "done");
    let opened = rest.iter().filter(|frame| frame.data["kind"] == "pr.opened").count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn formats_show_the_same_session_to_older_clients_and_to_ag_ui() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]));
    let session = served.begin(&code_request(&small(&home), "Add two.")).await;
    let whole = served.watch(&session, 0).await;
    let view = async |format: &str| {
        let path = format!("/sessions/{session}/events?format={format}");
        frames(served.request(Method::GET, &path).send().await.unwrap()).await
    };
    let classic = view("classic").await;
    assert_eq!(ids(&classic), ids(&whole));
    let known = [
        "type",
        "message",
        "filepath",
        "old_str",
        "new_str",
        "command",
        "output",
        "exit_code",
        "error",
        "pr_url",
        "summary",
    ];
    for frame in &classic {
        let names: Vec<&String> = frame.data.as_object().unwrap().keys().collect();
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
    }
    assert_eq!(classic.last().unwrap().data["pr_url"], whole.last().unwrap().data["pr_url"]);
    let ag_ui = view("ag-ui").await;
    assert_eq!(ids(&ag_ui), ids(&whole), "a client can resume after every stored frame");
    assert_eq!(ag_ui.first().unwrap().data["type"], "RUN_STARTED");
    assert_eq!(ag_ui.last().unwrap().data["type"], "RUN_FINISHED");
    let unknown = served.get(&format!("/sessions/{session}/events?format=xml")).await;
    assert_eq!(unknown.0, 400);
}
