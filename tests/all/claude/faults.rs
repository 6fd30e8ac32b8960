//! How the client answers the faults of the service.

use std::time::Duration;

use domain::{ErrorCode, MicroDollars, Model as _, ModelError, Usage, WindowCount};
use serde_json::{Value, json};

use super::*;

const TEXT: &str = "Grüße aus Köln – 🦀🦀🦀, and a text that is long enough to be cut in the middle of it.";

fn spoiled(fault: &Value) -> Value {
    json!({ "turns": [{ "thinking": "Thinking of it.", "text": TEXT, "fault": fault }] })
}

/// The outcome of a call with a fault, and the number of requests it took.
async fn outcome(fault: Value) -> (Result<ModelReply, ModelError>, usize) {
    let server = serve(&spoiled(&fault)).await;
    let outcome = ask(&client(&server), &request(&[user("go")])).await;
    let requests = server.requests().len();
    server.shutdown().await;
    (outcome, requests)
}

fn status(status: u16, more: &Value) -> Value {
    let mut fault = json!({ "kind": "status", "status": status, "times": 9, "retryAfter": 0 });
    let more = more.as_object().unwrap().clone();
    fault.as_object_mut().unwrap().extend(more);
    fault
}

#[tokio::test]
async fn a_transient_error_is_retried() {
    for transient in [408, 409, 429, 500, 503, 529] {
        let (reply, requests) = outcome(status(transient, &json!({ "times": 2 }))).await;
        assert_eq!((text(&reply.unwrap()).as_str(), requests), (TEXT, 3), "{transient}");
    }
}

#[tokio::test]
async fn a_lasting_error_ends_the_call_after_two_retries() {
    for lasting in [408, 409, 500, 503] {
        let (error, requests) = outcome(status(lasting, &json!({}))).await;
        let nothing = (Usage::default(), MicroDollars(0));
        assert!(
            matches!(error, Err(ModelError::Interrupted { usage, cost, .. }) if (usage, cost) == nothing),
            "{lasting}"
        );
        assert_eq!(requests, 3, "{lasting}");
    }
}

#[tokio::test]
async fn lack_of_capacity_is_a_wait() {
    let seconds = |outcome: Result<ModelReply, ModelError>| match outcome {
        Err(ModelError::Wait { seconds, reason }) => (seconds, reason),
        other => panic!("{other:?}"),
    };
    for capacity in [429, 529] {
        let (error, requests) = outcome(status(capacity, &json!({}))).await;
        assert_eq!((seconds(error).0, requests), (1, 3), "retries were refused, too: {capacity}");
        let (error, requests) = outcome(status(capacity, &json!({ "retryAfter": 40.5 }))).await;
        assert_eq!((seconds(error).0, requests), (41, 1), "a pause too long for a call: {capacity}");
    }
    let (error, requests) = outcome(status(503, &json!({ "retryAfter": 90, "message": "maintenance" }))).await;
    assert_eq!((seconds(error), requests), ((90, "maintenance".to_owned()), 1));
}

#[tokio::test]
async fn the_service_can_override_the_retries() {
    let (error, requests) = outcome(status(500, &json!({ "shouldRetry": false }))).await;
    assert!(matches!(error, Err(ModelError::Interrupted { .. })));
    assert_eq!(requests, 1);
    let (reply, requests) = outcome(status(400, &json!({ "shouldRetry": true, "times": 1 }))).await;
    assert!(reply.is_ok());
    assert_eq!(requests, 2);
}

#[tokio::test]
async fn an_error_that_a_retry_cannot_cure_is_terminal() {
    for (answer, message, code) in [
        (400, "messages: bad", ErrorCode::ModelRefusedRequest),
        (400, "Your credit balance is too low to access the Anthropic API.", ErrorCode::ModelBilling),
        (400, "prompt is too long: 1000001 tokens > 1000000 maximum", ErrorCode::ContextExhausted),
        (401, "Invalid bearer token", ErrorCode::ModelAuthentication),
        (402, "pay", ErrorCode::ModelBilling),
        (403, "no", ErrorCode::ModelAuthentication),
        (404, "model: x", ErrorCode::ModelNotFound),
        (413, "Request exceeds the maximum size", ErrorCode::ContextExhausted),
        (422, "odd", ErrorCode::ModelRefusedRequest),
        (302, "elsewhere", ErrorCode::ModelUnavailable),
    ] {
        let (error, requests) = outcome(status(answer, &json!({ "message": message }))).await;
        let Err(ModelError::Terminal { terminal, .. }) = error else { panic!("{answer}: {error:?}") };
        assert_eq!((terminal.code, requests), (code, 1), "{answer}");
        assert!(terminal.message.contains(message), "{}", terminal.message);
    }
}

#[tokio::test]
async fn an_error_as_the_body_of_a_200_is_the_same_as_under_its_status() {
    for (kind, message) in [
        (529, "Overloaded"),
        (429, "This request would exceed your rate limit."),
        (500, "Internal server error"),
        (504, "Timed out"),
        (400, "messages: bad"),
        (400, "prompt is too long: 1000001 tokens > 1000000 maximum"),
        (400, "Output blocked by content filtering policy"),
        (401, "Invalid bearer token"),
        (402, "pay"),
        (403, "no"),
        (404, "model: x"),
        (413, "Request exceeds the maximum size"),
    ] {
        let usual = status(kind, &json!({ "message": message }));
        let mut as_object = usual.clone();
        as_object["kind"] = json!("errorObject");
        assert_eq!(outcome(as_object).await, outcome(usual).await, "{kind} {message}");
    }
}

#[tokio::test]
async fn an_error_in_mid_stream_is_lasting_or_not_by_the_same_table() {
    let event = |kind: u16, message: &str| json!({ "kind": "errorEvent", "status": kind, "message": message });
    for (kind, message, code) in [
        (400, "messages: bad", Some(ErrorCode::ModelRefusedRequest)),
        (401, "Invalid bearer token", Some(ErrorCode::ModelAuthentication)),
        (413, "Request exceeds the maximum size", Some(ErrorCode::ContextExhausted)),
        (429, "slowly", None),
        (500, "Internal server error", None),
        (504, "Timed out", None),
        (529, "Overloaded", None),
    ] {
        let (error, _) = outcome(event(kind, message)).await;
        let (found, cost) = match error {
            Err(ModelError::Interrupted { cost, .. }) => (None, cost),
            Err(ModelError::Terminal { terminal, cost, .. }) => (Some(terminal.code), cost),
            other => panic!("{kind}: {other:?}"),
        };
        assert_eq!(found, code, "{kind}");
        assert!(cost > MicroDollars(0), "what was written before the error is billed: {kind}");
    }
}

#[tokio::test]
async fn a_filter_of_the_service_is_told_apart_from_other_errors() {
    let message = "Output blocked by content filtering policy";
    for (fault, billed) in [
        (status(400, &json!({ "message": message })), false),
        (json!({ "kind": "errorEvent", "status": 400, "message": message }), true),
        (json!({ "kind": "errorEvent", "status": 500, "message": message }), true),
    ] {
        let (error, requests) = outcome(fault.clone()).await;
        let Err(ModelError::Filtered { reason, cost, .. }) = error else { panic!("{fault}: {error:?}") };
        assert!(reason.contains(message), "{reason}");
        assert_eq!((requests, cost > MicroDollars(0)), (1, billed), "{fault}");
    }
}

#[tokio::test]
async fn a_limit_that_exceeds_the_window_is_refused_with_the_services_count() {
    let server = serve(&spoiled(&json!({ "kind": "window", "windowTokens": 1000 }))).await;
    let client = client(&server);
    let mut question = request(&[user("go")]);
    question.max_tokens = 900;
    let prompt_tokens = client.count_tokens(&question).await.unwrap();
    question.max_tokens = 1000;
    let error = ask(&client, &question).await.unwrap_err();
    let ModelError::WindowExceeded { counted, .. } = error else { panic!("{error:?}") };
    assert_eq!(counted, Some(WindowCount { prompt_tokens, window_tokens: 1000 }));
    question.max_tokens = 1000 - u32::try_from(prompt_tokens).unwrap();
    assert!(ask(&client, &question).await.is_ok());
}

#[tokio::test]
async fn a_date_in_retry_after_is_a_wait_by_the_clock_of_the_service() {
    let (error, requests) = outcome(json!({ "kind": "status", "status": 429, "retryAfterDate": 40 })).await;
    assert!(matches!(error, Err(ModelError::Wait { seconds: 40, .. })), "{error:?}");
    assert_eq!(requests, 1);
    let start = std::time::Instant::now();
    let (reply, requests) = outcome(json!({ "kind": "status", "status": 429, "retryAfterDate": 2 })).await;
    assert_eq!((text(&reply.unwrap()).as_str(), requests), (TEXT, 2));
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_an_error_with_its_cost() {
    for (fault, words) in [
        (json!({ "kind": "errorEvent", "message": "Too much\nto do" }), "overloaded_error: Too much to do"),
        (json!({ "kind": "errorEvent", "afterPieces": 0 }), "overloaded_error"),
        (json!({ "kind": "cut" }), "cut in mid-stream"),
        (json!({ "kind": "cut", "afterPieces": 1 }), "cut in mid-stream"),
    ] {
        let begun = fault["afterPieces"] != 0;
        let server = serve(&spoiled(&fault)).await;
        let client = client(&server);
        let request = request(&[user("go")]);
        let error = ask(&client, &request).await.unwrap_err();
        let ModelError::Interrupted { reason, usage, cost } = error else { panic!("{fault}: {error:?}") };
        assert!(reason.contains(words), "{fault}: {reason}");
        assert_eq!((usage.context_tokens() > 0, cost > MicroDollars(0)), (begun, begun), "{fault}");
        assert_eq!(server.requests().len(), 1, "a reply that has begun is not retried: {fault}");
        assert_eq!(text(&ask(&client, &request).await.unwrap()), TEXT);
    }
}

#[tokio::test]
async fn silence_ends_a_call() {
    for (fault, words) in [
        (json!({ "kind": "stall" }), "the Claude API sent nothing for 0.5 s"),
        (json!({ "kind": "slowFirstByte", "seconds": 600 }), "did not begin to answer in time"),
    ] {
        let server = serve(&spoiled(&fault)).await;
        let mut configuration = configuration(&server.url());
        configuration.idle_timeout = Duration::from_millis(500);
        let client = Client::new(configuration).unwrap();
        let error = ask(&client, &request(&[user("go")])).await.unwrap_err();
        let ModelError::Interrupted { reason, .. } = error else { panic!("{fault}: {error:?}") };
        assert!(reason.contains(words), "{fault}: {reason}");
        server.shutdown().await;
    }
}

#[tokio::test]
async fn the_deadline_ends_a_call_in_mid_stream() {
    let server = serve(&spoiled(&json!({ "kind": "stall" }))).await;
    let mut request = request(&[user("go")]);
    request.deadline = Duration::from_millis(500);
    let error = ask(&client(&server), &request).await.unwrap_err();
    let ModelError::Interrupted { reason, cost, .. } = error else { panic!("{error:?}") };
    assert_eq!(reason, "the reply was not finished within 0.5 s");
    assert!(cost > MicroDollars(0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_listen_is_asked_three_times() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(configuration(&format!("http://{address}"))).unwrap();
    let start = tokio::time::Instant::now();
    let error = ask(&client, &request(&[user("go")])).await.unwrap_err();
    assert!(matches!(error, ModelError::Interrupted { reason, .. } if reason.contains("could not be reached")));
    assert!(start.elapsed() >= Duration::from_millis(1_125), "half a second and a second, less a quarter at most");
}

#[tokio::test]
async fn split_characters_and_unknown_events_change_nothing() {
    let (whole, _) = outcome(json!({ "kind": "slowFirstByte", "seconds": 0 })).await;
    let whole = whole.unwrap();
    for kind in ["splitUtf8", "unknownEvent"] {
        let (reply, requests) = outcome(json!({ "kind": kind })).await;
        let reply = reply.unwrap();
        assert_eq!((content(&reply), text(&reply).as_str(), requests), (content(&whole), TEXT, 1), "{kind}");
    }
}

#[tokio::test]
async fn the_key_does_not_follow_a_redirect() {
    use std::io::{Read as _, Write as _};

    let elsewhere = serve(&json!({ "turns": [{ "text": "caught" }] })).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 307 Away\r\nlocation: {}/v1/messages\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
    let redirecting = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let (mut received, mut piece) = (Vec::new(), [0; 4096]);
        while !received.ends_with(b"}") {
            let length = connection.read(&mut piece).unwrap();
            received.extend_from_slice(&piece[..length]);
        }
        connection.write_all(answer.as_bytes()).unwrap();
    });
    let client = Client::new(configuration(&here)).unwrap();
    let error = ask(&client, &request(&[user("go")])).await.unwrap_err();
    redirecting.join().unwrap();
    assert!(matches!(error, ModelError::Terminal { terminal, .. } if terminal.code == ErrorCode::ModelUnavailable));
    assert!(elsewhere.requests().is_empty());
}
