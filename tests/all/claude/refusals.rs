//! What the stand-in refuses, in the words of the real service.

use reqwest::{Client as Http, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use stand_ins::claude::Settings;

use super::{KEY, MODEL, serve, serve_with, user};

fn script() -> Value {
    json!({ "turns": [{ "text": "hello" }] })
}

fn body() -> Value {
    json!({ "model": MODEL, "max_tokens": 100, "messages": [user("go")] })
}

fn post(url: &str, path: &str) -> RequestBuilder {
    let http = Http::builder().no_proxy().build().unwrap().post(format!("{url}{path}"));
    http.header("authorization", format!("Bearer {KEY}")).header("anthropic-version", "2026-10-21")
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn bodies_that_the_service_refuses_are_refused() {
    let server = serve(&script()).await;
    let tool = json!({ "name": "view", "input_schema": { "type": "object" } });
    let call = |id: &str| json!({ "type": "tool_use", "id": id, "name": "view", "input": {} });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let cached = json!({ "type": "text", "text": "x", "cache_control": { "type": "ephemeral" } });
    let say = |role: &str, content: Value| json!({ "role": role, "content": content });
    let huge = "word".repeat(1_000_001);
    for (field, value, words) in [
        ("temperature", json!(1.0), "temperature: Extra inputs are not permitted"),
        ("top_p", json!(0.9), "top_p: Extra inputs are not permitted"),
        ("colour", json!("red"), "colour: Extra inputs are not permitted"),
        ("context_management", json!({}), "context_management: Extra inputs are not permitted"),
        (
            "max_tokens",
            json!(128_001),
            "max_tokens: 128001 > 128000, which is the maximum allowed number of output tokens for claude-sonnet-5-5",
        ),
        ("max_tokens", json!("many"), "max_tokens: Input should be a valid integer"),
        ("stream", json!("yes"), "stream: Input should be a valid boolean"),
        ("system", json!(""), "system: text content blocks must be non-empty"),
        (
            "tool_choice",
            json!({ "type": "any" }),
            "tool_choice: type \"tool\" and \"any\" are not supported for this model.",
        ),
        ("tool_choice", json!({ "type": "tool", "name": "view" }), "are not supported for this model."),
        (
            "thinking",
            json!({ "type": "disabled" }),
            "\"thinking.type.disabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.",
        ),
        (
            "thinking",
            json!({ "type": "enabled", "budget_tokens": 2000 }),
            "\"thinking.type.enabled\" is not supported for this model.",
        ),
        (
            "output_config",
            json!({ "format": { "type": "xml" } }),
            "output_config.format.type: Input should be 'json_schema'",
        ),
        ("tools", json!([tool, tool]), "tools: Tool names must be unique."),
        (
            "tools",
            json!([{ "name": "a b", "input_schema": { "type": "object" } }]),
            "tools.0.custom.name: String should match pattern",
        ),
        (
            "tools",
            json!([{ "name": "a".repeat(129), "input_schema": { "type": "object" } }]),
            "tools.0.custom.name: String should have at most 128 characters",
        ),
        ("tools", json!([{ "name": "view" }]), "tools.0.custom.input_schema: Field required"),
        (
            "tools",
            json!([{ "type": "bash_20250124", "name": "shell" }]),
            "tools.0.bash_20250124.name: Input should be 'bash'",
        ),
        (
            "tools",
            json!([{ "type": "bash_1999", "name": "bash" }]),
            "tools.0: Input tag 'bash_1999' found using 'type' does not match any of the expected tags",
        ),
        ("messages", json!([]), "messages: at least one message is required"),
        ("messages", json!([say("robot", json!("x"))]), "messages.0.role: Input should be"),
        (
            "messages",
            json!([say("assistant", json!("x")), user("y")]),
            "messages: first message must use the \"user\" role",
        ),
        (
            "messages",
            json!([user("x"), say("assistant", json!("The answer is"))]),
            "This model does not support assistant message prefill.",
        ),
        ("messages", json!([user("")]), "messages: text content blocks must be non-empty"),
        ("messages", json!([user(" \n")]), "messages: text content blocks must contain non-whitespace text"),
        ("messages", json!([say("user", json!([]))]), "messages.0: all messages must have non-empty content"),
        (
            "messages",
            json!([say("user", json!([call("a")]))]),
            "messages.0: `tool_use` blocks can only be in `assistant` messages",
        ),
        (
            "messages",
            json!([user("x"), say("assistant", json!([call("a")])), user("y")]),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a.",
        ),
        (
            "messages",
            json!([say("user", json!([{ "type": "tool_result", "tool_use_id": "b" }]))]),
            "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: b.",
        ),
        (
            "messages",
            json!([say("user", json!([{ "type": "text", "text": "x", "mood": 1 }]))]),
            "messages.0.content.0.text.mood: Extra inputs are not permitted",
        ),
        (
            "messages",
            json!([
                user("x"),
                say("assistant", json!([{ "type": "thinking", "thinking": "", "signature": "AAAA" }, text("y")])),
                user("z")
            ]),
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
        (
            "messages",
            json!([say("user", json!([cached, cached, cached, cached, cached]))]),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        ("messages", json!([user(&huge)]), "prompt is too long: 1000008 tokens > 1000000 maximum"),
    ] {
        let mut body = body();
        body[field] = value;
        let (status, error) = answer(post(&server.url(), "/v1/messages").json(&body)).await;
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{field}: {message}");
        assert_eq!((status, &error["error"]["type"]), (400, &json!("invalid_request_error")), "{message}");
        assert!(error["request_id"].as_str().unwrap().starts_with("req_"));
    }
    for field in ["model", "max_tokens", "messages"] {
        let mut body = body();
        body.as_object_mut().unwrap().remove(field);
        let (_, error) = answer(post(&server.url(), "/v1/messages").json(&body)).await;
        assert_eq!(error["error"]["message"], format!("{field}: Field required"));
    }
}

#[tokio::test]
async fn requests_with_invalid_headers_or_routes_are_refused() {
    let server = serve_with(&script(), Settings { accepted_key: Some(KEY.to_owned()), ..Settings::default() }).await;
    let bare =
        || Http::builder().no_proxy().build().unwrap().post(format!("{}/v1/messages", server.url())).json(&body());
    for (request, status, message) in [
        (bare(), 401, "x-api-key header is required"),
        (bare().header("x-api-key", "other"), 401, "invalid x-api-key"),
        (bare().header("authorization", "Bearer other"), 401, "Invalid bearer token"),
        (bare().header("x-api-key", KEY), 400, "anthropic-version: header is required"),
        (
            bare().header("x-api-key", KEY).header("anthropic-version", "2024-10-22"),
            400,
            "anthropic-version: \"2024-10-22\" is not a valid version",
        ),
        (post(&server.url(), "/v1/messages").body("{}"), 400, "content-type: Input should be 'application/json'"),
        (post(&server.url(), "/v1/complete").json(&body()), 404, "Not found"),
        (post(&server.url(), "/v1/models").json(&body()), 404, "Not found"),
        (
            post(&server.url(), "/v1/messages").json(&json!({ "model": "gpt", "max_tokens": 1, "messages": [] })),
            404,
            "model: gpt",
        ),
        (
            post(&server.url(), "/v1/messages").header("content-type", "application/json").body("{"),
            400,
            "The request body is not valid JSON",
        ),
        (
            post(&server.url(), "/v1/messages")
                .header("content-type", "application/json")
                .body(vec![b' '; (32 << 20) + 1]),
            413,
            "Request exceeds the maximum size",
        ),
    ] {
        let (actual, error) = answer(request).await;
        let text = error["error"]["message"].as_str().unwrap();
        assert!(actual == status && text.contains(message), "{actual} {text}");
    }
}

#[tokio::test]
async fn the_older_version_and_unstreamed_routes_are_served() {
    let server = serve(&script()).await;
    let mut older = body();
    older["temperature"] = json!(0.5);
    let http = Http::builder().no_proxy().build().unwrap();
    let old = http.post(format!("{}/v1/messages", server.url())).header("x-api-key", KEY).json(&older);
    let (status, message) = answer(old.header("anthropic-version", "2023-06-01")).await;
    assert_eq!((status, &message["content"][0]["text"]), (200, &json!("hello")));
    assert_eq!((&message["stop_reason"], &message["type"]), (&json!("end_turn"), &json!("message")));

    let count = json!({ "model": MODEL, "messages": [user("go")] });
    let (status, counted) = answer(post(&server.url(), "/v1/messages/count_tokens").json(&count)).await;
    assert_eq!((status, counted["input_tokens"].as_u64() > Some(0)), (200, true));

    let get = |path: &str| {
        let request = http.get(format!("{}{path}", server.url())).header("authorization", format!("Bearer {KEY}"));
        request.header("anthropic-version", "2026-10-21")
    };
    let (_, list) = answer(get("/v1/models")).await;
    assert!(list["data"].as_array().unwrap().iter().any(|model| model["id"] == MODEL));
    let (_, model) = answer(get(&format!("/v1/models/{MODEL}"))).await;
    assert_eq!(model["max_input_tokens"], 1_000_000);
    let response = get("/v1/models/none").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.headers()["request-id"].to_str().unwrap().starts_with("req_01"));
}
