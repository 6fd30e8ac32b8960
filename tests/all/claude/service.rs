//! The service beyond its replies: credentials, proxies, prompt cache, models, bill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use claude::{Credential, Proxies};
use domain::{CacheLifetime, CacheMiss, CallOptions, Model, ModelError, ModelLimits, StopReason};
use serde_json::{Value, json};
use stand_ins::claude::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::support::sonnet_price;

#[tokio::test]
async fn the_key_is_sent_as_configured_with_the_extra_headers() {
    let server = serve(&json!({ "turns": [{ "text": "yes" }] })).await;
    let mut configuration = configuration(&server.url());
    configuration.credential = Credential::ApiKey;
    configuration.extra_headers = claude::extra_headers("X-Team: blue\nanthropic-beta: some-2026-01-01").unwrap();
    ask(&Client::new(configuration).unwrap(), &request(&[user("go")])).await.unwrap();
    let headers = &server.requests()[0].headers;
    assert!(headers.contains_key("x-api-key") && !headers.contains_key("authorization"));
    assert_eq!(
        (headers["x-team"].as_bytes(), headers["anthropic-beta"].as_bytes()),
        (&b"blue"[..], &b"some-2026-01-01"[..])
    );
}

/// A proxy that records the head of each request. It forwards requests to `to`, whatever host they name.
async fn proxy(to: std::net::SocketAddr) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let recorded = Arc::clone(&recorded);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let line = head.lines().next().unwrap_or_default().to_owned();
                let tunnel = line.starts_with("CONNECT ");
                recorded.lock().unwrap().push(head.clone());
                if tunnel {
                    // A tunnel carries TLS to the named host, which does not exist.
                    client.write_all(b"HTTP/1.1 503 Nobody there\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    return;
                }
                let mut server = TcpStream::connect(to).await.unwrap();
                server.write_all(head.as_bytes()).await.unwrap();
                // Either side may hang up first.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_proxy_serves_other_hosts_unless_they_are_excepted() {
    let server = serve(&json!({ "turns": [{ "text": "through" }] })).await;
    let (url, asked) = proxy(server.addr()).await;
    let through = |base: &str, except: Option<&str>| {
        let mut configuration = configuration(base);
        let url = Some(SecretString::from(url.replace("http://", "http://name:word@")));
        configuration.proxies = Proxies { https: url.clone(), http: url, except: except.map(str::to_owned) };
        configuration.first_pause = Duration::from_millis(1);
        Client::new(configuration).unwrap()
    };
    let question = request(&[user("go")]);
    let reply = ask(&through("http://gateway.invalid", None), &question).await.unwrap();
    assert_eq!(text(&reply), "through");
    let heard = std::mem::take(&mut *asked.lock().unwrap());
    assert!(heard[0].starts_with("POST http://gateway.invalid/v1/messages HTTP/1.1"), "{heard:?}");
    assert!(heard[0].to_lowercase().contains("proxy-authorization: basic"), "{heard:?}");

    let error = ask(&through("https://model.invalid", None), &question).await.unwrap_err();
    assert!(matches!(&error, ModelError::Interrupted { .. }) && !error.to_string().contains("word"), "{error}");
    let heard = std::mem::take(&mut *asked.lock().unwrap());
    assert!(heard.iter().all(|head| head.starts_with("CONNECT model.invalid:443 ")), "{heard:?}");
    assert!(!heard.is_empty() && heard.iter().all(|head| !head.contains(KEY)), "the proxy does not see the key");

    // The excepted host does not exist, so the call fails; what matters is that the proxy gets no request.
    let mut short = question.clone();
    short.deadline = Duration::from_millis(300);
    ask(&through("http://gateway.invalid", Some("gateway.invalid")), &short).await.unwrap_err();
    assert_eq!(text(&ask(&through(&server.url(), None), &question).await.unwrap()), "through");
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_cut_before_an_answer_is_retried() {
    for (times, requests) in [(2, 3), (9, 3)] {
        let script = json!({ "turns": [{ "text": "here", "fault": { "kind": "hangUp", "times": times } }] });
        let server = serve(&script).await;
        let mut configuration = configuration(&server.url());
        configuration.first_pause = Duration::from_millis(1);
        let outcome = ask(&Client::new(configuration).unwrap(), &request(&[user("go")])).await;
        assert_eq!(server.requests().len(), requests);
        match outcome {
            Ok(reply) => assert_eq!((text(&reply).as_str(), times), ("here", 2)),
            Err(ModelError::Interrupted { reason, cost, .. }) => {
                assert_eq!(
                    (reason.as_str(), cost.0, times),
                    ("the connection was cut before the Claude API answered", 0, 9)
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(server.bill().len(), usize::from(times == 2), "a reply is billed once");
    }
}

#[tokio::test]
async fn the_service_says_which_part_of_a_conversation_was_edited() {
    let turns: Vec<Value> = (0..9).map(|_| json!({ "text": "more" })).collect();
    let server = serve(&json!({ "turns": turns })).await;
    let client = client(&server);
    let mut question = request(&[user("go")]);
    let first = ask(&client, &question).await.unwrap();
    assert_eq!(first.details.cache_miss, None);
    question.options.previous_message = first.details.message_id.clone();
    question.messages.extend([sent_back(&first), RawJson::of(&user("on")).unwrap()]);
    assert_eq!(
        ask(&client, &question).await.unwrap().details.cache_miss,
        None,
        "a longer conversation is not an edited one"
    );

    type Edit = fn(&mut ModelRequest);
    let edits: [(CacheMiss, Edit); 5] = [
        (CacheMiss::MessagesChanged, |request| request.messages[0] = RawJson::of(&user("stop")).unwrap()),
        (CacheMiss::SystemChanged, |request| request.system.push_str(" It is Tuesday.")),
        (CacheMiss::ToolsChanged, |request| request.tools = RawJson::parse("[]").unwrap()),
        (CacheMiss::ModelChanged, |request| request.model = "claude-opus-5-5".to_owned()),
        (CacheMiss::PreviousMessageNotFound, |request| request.options.previous_message = Some("msg_0".to_owned())),
    ];
    for (miss, edit) in edits {
        let mut edited = question.clone();
        edit(&mut edited);
        assert_eq!(ask(&client, &edited).await.unwrap().details.cache_miss, Some(miss));
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let turn = json!({ "text": "I cannot", "stop": "refusal", "category": "bio", "explanation": "It may do harm." });
    let server = serve(&json!({ "turns": [turn] })).await;
    let reply = ask(&client(&server), &request(&[user("go")])).await.unwrap();
    let details = reply.details.stop.unwrap();
    assert_eq!(reply.stop, StopReason::Refusal);
    assert_eq!((details.category.as_deref(), details.explanation.as_deref()), (Some("bio"), Some("It may do harm.")));
}

#[tokio::test]
async fn the_whole_conversation_is_read_from_the_cache_after_long_turns() {
    let call = |number: usize| json!({ "name": "view", "input": { "path": format!("src/file-{number}.rs") } });
    let turn = |calls: usize| json!({ "thinking": "On.", "tools": (0..calls).map(call).collect::<Vec<_>>() });
    let turns: Vec<Value> = [3, 30, 1, 12, 3, 25, 3].map(turn).to_vec();
    let server = serve(&json!({ "turns": turns })).await;
    let client = client(&server);
    let mut question = request(&[user(&"word ".repeat(1_000))]);
    let mut sent_before = 0;
    for _ in 0..7 {
        let reply = ask(&client, &question).await.unwrap();
        // This includes the last block, where the service set the breakpoint.
        assert_eq!(reply.usage.cache_read_tokens, sent_before, "{:?}", reply.usage);
        sent_before = reply.usage.context_tokens();
        question.messages.extend([sent_back(&reply), results(&reply, &"line\n".repeat(100), false)]);
    }
    let breakpoints = server
        .requests()
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).matches("cache_control").count())
        .max();
    assert_eq!(breakpoints, Some(4));
}

#[tokio::test]
async fn before_a_wait_for_a_person_everything_is_cached_for_an_hour() {
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    let clock = Arc::new(move || Duration::from_secs(clock.load(Ordering::SeqCst)));
    let turns = json!({ "turns": [{ "text": "one" }, { "text": "two" }, { "text": "three" }] });
    let server = serve_with(&turns, Settings { clock, ..Settings::default() }).await;
    let client = client(&server);
    let mut question = request(&[user(&"word ".repeat(1_000))]);
    question.options.cache = CacheLifetime::Hour;
    let asked = ask(&client, &question).await.unwrap();
    assert!(
        client.worst_case(&question)
            > client.worst_case(&ModelRequest { options: CallOptions::default(), ..question.clone() })
    );
    now.store(50 * 60, Ordering::SeqCst);
    question.messages.extend([sent_back(&asked), RawJson::of(&user("Approved.")).unwrap()]);
    question.options.cache = CacheLifetime::FiveMinutes;
    let answered = ask(&client, &question).await.unwrap();
    assert_eq!(answered.usage.cache_read_tokens, asked.usage.context_tokens());
    let hours: Vec<bool> = server.bill().iter().map(|charge| charge.cache_write_5m == 0).collect();
    assert_eq!(hours, [true, false]);
}

#[tokio::test]
async fn tokens_are_counted_without_a_reply() {
    let server = serve(&json!({ "turns": [{ "text": "one" }] })).await;
    let client = client(&server);
    let question = request(&[user(&"word ".repeat(1_000))]);
    let counted = client.count_tokens(&question).await.unwrap();
    let reply = ask(&client, &question).await.unwrap();
    assert_eq!((counted, server.bill().len()), (reply.usage.context_tokens(), 1));
    let mut wrong = question;
    wrong.model = "claude-next-9".to_owned();
    assert!(matches!(client.count_tokens(&wrong).await, Err(ModelError::Terminal { .. })));
}

/// A server that sends the next of `answers` to each request, and repeats the last. Returns its URL and a count of requests.
async fn answering(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            let number = counted.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let (status, body) = answers[number].split_once(' ').unwrap();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, count)
}

#[tokio::test(start_paused = true)]
async fn limits_are_read_from_all_pages_and_used_for_a_day() {
    let model =
        |id: &str, window: u64| json!({ "id": id, "max_input_tokens": window, "max_tokens": 300_000, "new": [1] });
    let first = json!({ "data": [model("claude-next-9", 2_000_000)], "has_more": true, "last_id": "claude-next-9" });
    let second = json!({ "data": [model("claude-sonnet-5-5", 1_500_000), { "id": "odd" }], "has_more": false, "last_id": "odd" });
    let (url, count) = answering(vec![format!("200 {first}"), format!("200 {second}")]).await;
    let client = Client::new(configuration(&url)).unwrap();
    let limits = |model: &str| client.limits(model);
    assert_eq!(limits("claude-sonnet-5-5").context_tokens, 1_000_000);
    client.learn_limits().await;
    client.learn_limits().await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "both pages, once");
    assert_eq!(limits("claude-next-9"), ModelLimits { context_tokens: 2_000_000, output_tokens: 300_000 });
    assert_eq!(limits("claude-sonnet-5-5").context_tokens, 1_500_000);
    assert_eq!(
        limits("claude-haiku-5-5").context_tokens,
        1_000_000,
        "for models that are not listed the catalogue applies"
    );
    tokio::time::advance(Duration::from_secs(25 * 3600)).await;
    client.learn_limits().await;
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_service_without_a_list_of_models_changes_nothing() {
    for answer in [r#"404 {"type":"error","error":{"type":"not_found_error","message":"x"}}"#, "200 <html>", "500 x"] {
        let (url, count) = answering(vec![answer.to_owned()]).await;
        let client = Client::new(configuration(&url)).unwrap();
        client.learn_limits().await;
        client.learn_limits().await;
        assert_eq!(client.limits("claude-sonnet-5-5").context_tokens, 1_000_000, "{answer}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "it is not asked again at once: {answer}");
    }
}

#[tokio::test]
async fn every_reply_costs_what_the_service_bills() {
    let turns: Vec<Value> = (0..5).map(|n| json!({ "text": "word ".repeat(10 + n), "thinking": "Hm." })).collect();
    let server = serve(&json!({ "turns": turns })).await;
    let client = client(&server);
    let mut question = request(&[user(&"word ".repeat(3_000))]);
    let mut costs = Vec::new();
    for turn in 0..5 {
        question.options.cache = if turn == 2 { CacheLifetime::Hour } else { CacheLifetime::FiveMinutes };
        let reply = ask(&client, &question).await.unwrap();
        costs.push(reply.cost.0);
        question.messages.extend([sent_back(&reply), RawJson::of(&user("on")).unwrap()]);
    }
    assert_eq!(costs, server.bill().iter().map(sonnet_price).collect::<Vec<_>>());
}
