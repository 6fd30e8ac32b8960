//! Replies of a service without faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{ContentBlock, MicroDollars, Model, ModelError, RawJson, StopReason};
use serde_json::{Value, json};
use stand_ins::claude::Settings;

use super::*;

fn conversation() -> Value {
    json!({ "turns": [
        { "thinking": "I look at “a.rs” – first.", "tools": [
            { "name": "view", "input": { "path": "a.rs", "note": "Grüße 🦀 \"quoted\" \\ and\nnew line" } },
            { "name": "bash", "input": {} },
        ] },
        { "thinking": "Now I know.", "text": "It says 42. 🦀" },
    ] })
}

#[tokio::test]
async fn a_conversation_is_sent_back_byte_for_byte_and_stays_valid() {
    let server = serve(&conversation()).await;
    let client = client(&server);
    let mut request = request(&[]);
    let question = r#"{ "content" : "What does a.rs\u0020say?",  "role":"user"}"#;
    request.messages.push(RawJson::parse(question).unwrap());

    let (first, shown) = watch(&client, &request).await;
    assert_eq!(first.stop, StopReason::ToolUse);
    assert_eq!(shown, "I look at “a.rs” – first.");
    let [
        ContentBlock::Thinking { thinking },
        ContentBlock::ToolUse { name, input, .. },
        ContentBlock::ToolUse { input: empty, .. },
    ] = &first.content[..]
    else {
        panic!("{:?}", first.content)
    };
    assert_eq!((thinking.as_str(), name.as_str()), ("I look at “a.rs” – first.", "view"));
    assert_eq!(input["note"], "Grüße 🦀 \"quoted\" \\ and\nnew line");
    assert_eq!(*empty, json!({}));
    assert!(first.request_id.as_ref().is_some_and(|id| id.starts_with("req_01")));
    assert!(first.first_content_after.is_some());
    assert!(first.cost > MicroDollars(0));

    request.messages.extend([sent_back(&first), results(&first, "the answer is 42", false)]);
    let (second, shown) = watch(&client, &request).await;
    assert_eq!(second.stop, StopReason::EndTurn);
    assert_eq!((text(&second).as_str(), shown.as_str()), ("It says 42. 🦀", "Now I know.It says 42. 🦀"));

    request.messages.extend([sent_back(&second), RawJson::of(&user("And now?")).unwrap()]);
    let third = ask(&client, &request).await.unwrap();
    assert!(text(&third).contains("script has ended"));

    let bodies: Vec<String> =
        server.requests().iter().map(|request| String::from_utf8(request.body.to_vec()).unwrap()).collect();
    assert!(bodies.iter().all(|body| body.contains(question)));
    assert!(bodies[2].contains(&content(&first)) && bodies[2].contains(&content(&second)));
    assert!(bodies.iter().all(|body| body.contains(tools())), "the tools are sent byte for byte");
    let headers = &server.requests()[0].headers;
    assert_eq!(headers["anthropic-version"], "2026-10-21");
    assert!(headers.contains_key("authorization") && !headers.contains_key("x-api-key"));
    server.shutdown().await;
}

#[tokio::test]
async fn an_edited_history_is_refused() {
    let server = serve(&conversation()).await;
    let client = client(&server);
    let start = request(&[user("What does a.rs say?")]);
    let first = ask(&client, &start).await.unwrap();
    let mut unedited = start.clone();
    unedited.messages.extend([sent_back(&first), results(&first, "42", false)]);
    ask(&client, &unedited).await.unwrap();

    type Edit = fn(&mut ModelRequest);
    let edits: [(&str, Edit); 3] = [
        ("first message", |request| request.messages[0] = RawJson::of(&user("What does b.rs say?")).unwrap()),
        ("system prompt", |request| request.system.push_str(" It is Tuesday.")),
        ("tools", |request| request.tools = RawJson::parse(r#"[{"type":"bash_20250124","name":"bash"}]"#).unwrap()),
    ];
    for (what, edit) in edits {
        let mut edited = unedited.clone();
        edit(&mut edited);
        let error = ask(&client, &edited).await.unwrap_err().to_string();
        assert!(error.contains("messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_request_reads_what_the_previous_one_cached_until_it_expires() {
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    let clock = Arc::new(move || Duration::from_secs(clock.load(Ordering::SeqCst)));
    let server = serve_with(&conversation(), Settings { clock, ..Settings::default() }).await;
    let client = client(&server);
    let mut request = request(&[user(&"long ".repeat(2_000))]);
    let first = ask(&client, &request).await.unwrap();
    assert_eq!(first.usage.cache_read_tokens, 0);
    assert!(first.usage.cache_write_tokens > 2_500 && first.usage.input_tokens == 0, "{:?}", first.usage);

    request.messages.extend([sent_back(&first), results(&first, "42", false)]);
    let second = ask(&client, &request).await.unwrap();
    assert_eq!(second.usage.cache_read_tokens, first.usage.cache_write_tokens);
    assert!(second.usage.cache_write_tokens < 200, "{:?}", second.usage);
    assert!(second.cost < first.cost);
    // Sonnet 5.5: $2.50 per million tokens written, $0.10 read, $10 of output.
    let usage = second.usage;
    let tenths = usage.cache_write_tokens * 25 + usage.cache_read_tokens + usage.output_tokens * 100;
    assert_eq!(second.cost, MicroDollars((tenths + usage.input_tokens * 20).div_ceil(10)));

    now.store(301, Ordering::SeqCst);
    let expired = ask(&client, &request).await.unwrap();
    assert_eq!(expired.usage.cache_read_tokens, 0);
}

#[tokio::test]
async fn structured_output_is_the_plan_and_then_its_revision() {
    let script = json!({ "plan": { "title": "one" }, "plans": [{ "title": "two" }], "turns": [{ "text": "main" }] });
    let server = serve(&script).await;
    let client = client(&server);
    let mut request = request(&[user("Plan it")]);
    request.output_schema = Some(RawJson::parse(r#"{"type":"object",  "properties":{}}"#).unwrap());
    let first = ask(&client, &request).await.unwrap();
    assert_eq!(text(&first), r#"{"title":"one"}"#);
    request.messages.extend([sent_back(&first), RawJson::of(&user("Not like that")).unwrap()]);
    let second = ask(&client, &request).await.unwrap();
    assert_eq!(text(&second), r#"{"title":"two"}"#);
    let body = String::from_utf8(server.requests()[0].body.to_vec()).unwrap();
    assert!(body.contains(r#"{"format":{"type":"json_schema","schema":{"type":"object",  "properties":{}}}}"#));
}

#[tokio::test]
async fn the_script_reacts_to_results_and_jumps() {
    let view = json!([{ "name": "view", "input": { "path": "a" } }]);
    let script = json!({ "scripts": [
        { "match": "other", "turns": [{ "text": "not me" }] },
        { "match": "jump", "turns": [
            { "label": "try", "text": "trying", "tools": view },
            {
                "when": [
                    { "if": { "resultContains": "gone", "isError": true }, "text": "again", "tools": view, "then": "try" },
                    { "if": { "userContains": "halt" }, "text": "halted" },
                ],
                "text": "went well",
            },
        ] },
    ] });
    let server = serve(&script).await;
    let client = client(&server);
    let mut request = request(&[user("please jump")]);
    let mut texts = Vec::new();
    for (result, is_error) in [("file is gone", true), ("found", false), ("file is gone", false)] {
        let reply = ask(&client, &request).await.unwrap();
        texts.push(text(&reply));
        request.messages.extend([sent_back(&reply), results(&reply, result, is_error)]);
    }
    texts.push(text(&ask(&client, &request).await.unwrap()));
    assert_eq!(texts, ["trying", "again", "trying", "went well"]);

    let error = ask(&client, &super::request(&[user("something else")])).await.unwrap_err();
    assert!(error.to_string().contains("no script matches"), "{error}");
}

#[tokio::test]
async fn a_call_cut_by_the_length_limit_can_only_be_sent_back() {
    let script = json!({ "turns": [
        { "tools": [{ "name": "bash", "input": { "command": "rm -rf build/output" } }], "stop": "max_tokens" },
        { "text": "A long text that does not fit into four tokens." },
    ] });
    let server = serve(&script).await;
    let client = client(&server);
    let mut request = request(&[user("go")]);
    let cut = ask(&client, &request).await.unwrap();
    assert_eq!(cut.stop, StopReason::MaxTokens);
    let [ContentBlock::ToolUse { input, .. }] = &cut.content[..] else { panic!("{:?}", cut.content) };
    let fields = input.as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), [domain::INCOMPLETE_INPUT]);
    assert!(fields[domain::INCOMPLETE_INPUT].as_str().unwrap().starts_with("{\"comm"));

    request.messages.extend([sent_back(&cut), results(&cut, "The call was cut.", true)]);
    request.max_tokens = 4;
    let short = ask(&client, &request).await.unwrap();
    assert_eq!((text(&short).as_str(), short.stop), ("A long text that", StopReason::MaxTokens));
    assert_eq!(short.usage.output_tokens, 4);
}

#[tokio::test]
async fn a_reply_is_shown_while_it_streams_until_the_call_is_dropped() {
    let server = serve(&json!({ "turns": [{ "text": "0123456789".repeat(20) }] })).await;
    let client = client(&server);
    let request = request(&[user("go")]);
    let mut gate = server.hold_next(6);
    let shown = Mutex::new(String::new());
    let live = |piece: ReplyPiece<'_>| {
        let (ReplyPiece::Text(text) | ReplyPiece::Thinking(text)) = piece;
        shown.lock().unwrap().push_str(text);
    };
    {
        let call = client.reply(&request, &live);
        tokio::pin!(call);
        tokio::select! {
            outcome = &mut call => panic!("the gate did not hold: {outcome:?}"),
            reached = gate.reached() => assert!(reached),
        }
    }
    assert!(shown.lock().unwrap().len() < 200);
    gate.release();
    assert_eq!(text(&ask(&client, &request).await.unwrap()).len(), 200);
    server.shutdown().await;
}

#[tokio::test]
async fn the_worst_case_is_never_less_than_the_cost() {
    let server = serve(&conversation()).await;
    let client = client(&server);
    for model in ["claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2", "claude-haiku-5-5", "claude-haiku-4-5"] {
        let mut request = request(&[user(&"word ".repeat(500_000 / 5))]);
        request.model = model.to_owned();
        let worst = client.worst_case(&request);
        let reply = ask(&client, &request).await.unwrap();
        assert!(worst >= reply.cost, "{model}: {worst} < {}", reply.cost);
    }
    assert_eq!(client.limits("claude-sonnet-5-5").context_tokens, 1_000_000);
}

#[tokio::test]
async fn no_secret_is_shown() {
    let script = json!({ "turns": [{ "fault": {
        "kind": "status", "status": 422, "message": format!("bad\nkey {KEY} and tenant-secret-77 {}", "x".repeat(5_000)),
    } }] });
    let server = serve(&script).await;
    let mut configuration = configuration(&server.url());
    configuration.extra_headers.insert("x-tenant", "tenant-secret-77".parse().unwrap());
    assert!(!format!("{configuration:?}").contains("secret") && !format!("{configuration:?}").contains(KEY));
    let client = Client::new(configuration).unwrap();
    assert!(!format!("{client:?}").contains(KEY));
    let error = ask(&client, &request(&[user("go")])).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("bad key [REDACTED] and [REDACTED] xxx"), "{shown}");
    assert!(!shown.contains(KEY) && !shown.contains("tenant-secret") && shown.len() < 2_000);
    assert!(matches!(error, ModelError::Terminal { .. }));

    for (name, value) in [("x-api-key", "k"), ("authorization", "k")] {
        let mut configuration = super::configuration(&server.url());
        configuration.extra_headers.insert(name, value.parse().unwrap());
        assert!(Client::new(configuration).is_err(), "{name}");
    }
    for url in ["ftp://example.com", "https://user:pass@example.com", "not a url", "https://example.com?key=1"] {
        assert!(Client::new(super::configuration(url)).is_err(), "{url}");
    }
}
