//! The client of the Claude API against the stand-in, over loopback.

mod faults;
mod refusals;
mod replies;
mod service;
mod sessions;

use std::sync::Mutex;
use std::time::Duration;

use claude::{Client, Configuration};
use domain::{CallOptions, Model, ModelError, ModelReply, ModelRequest, RawJson, ReplyPiece};
use secrecy::SecretString;
use serde_json::{Value, json};
use stand_ins::claude::{Script, Server, Settings};

const KEY: &str = "sk-ant-test-0123456789";
const MODEL: &str = "claude-sonnet-5-5";

async fn serve(script: &Value) -> Server {
    serve_with(script, Settings::default()).await
}

async fn serve_with(script: &Value, settings: Settings) -> Server {
    let script = Script::parse(&script.to_string()).unwrap();
    Server::bind("127.0.0.1:0", script, settings).await.unwrap()
}

fn configuration(url: &str) -> Configuration {
    let mut configuration = Configuration::new(SecretString::from(KEY)).unwrap();
    configuration.base_url = url.to_owned();
    configuration
}

fn client(server: &Server) -> Client {
    Client::new(configuration(&server.url())).unwrap()
}

fn request(messages: &[Value]) -> ModelRequest {
    ModelRequest {
        model: MODEL.to_owned(),
        max_tokens: 32_000,
        system: "You change code.".to_owned(),
        tools: RawJson::parse(tools()).unwrap(),
        messages: messages.iter().map(|message| RawJson::of(message).unwrap()).collect(),
        output_schema: None,
        deadline: Duration::from_secs(60),
        options: CallOptions::default(),
    }
}

/// A JSON text whose spacing no serializer would write, so that a rewrite is noticed.
fn tools() -> &'static str {
    r#"[ {"name": "view",  "description": "Shows a file.", "input_schema": {"type":"object", "properties":{"path":{"type":"string"}}}},
        {"type":"bash_20250124","name":"bash"} ]"#
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

/// The assistant message that sends a reply back, its content byte for byte.
fn sent_back(reply: &ModelReply) -> RawJson {
    RawJson::parse(format!(r#"{{"role":"assistant","content":{}}}"#, content(reply))).unwrap()
}

fn content(reply: &ModelReply) -> String {
    let message: std::collections::BTreeMap<String, RawJson> = reply.raw.read().unwrap();
    message["content"].as_str().to_owned()
}

/// A user message with a result for each tool call of a reply.
fn results(reply: &ModelReply, text: &str, is_error: bool) -> RawJson {
    let calls = reply.content.iter().filter_map(|block| match block {
        domain::ContentBlock::ToolUse { id, .. } => Some(id),
        domain::ContentBlock::Text { .. } | domain::ContentBlock::Thinking { .. } | domain::ContentBlock::Other => None,
    });
    let results: Vec<Value> = calls
        .map(|id| json!({ "type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error }))
        .collect();
    RawJson::of(&json!({ "role": "user", "content": results })).unwrap()
}

async fn ask(client: &Client, request: &ModelRequest) -> Result<ModelReply, ModelError> {
    client.reply(request, &|_| {}).await
}

/// A reply, and the text of its live pieces.
async fn watch(client: &Client, request: &ModelRequest) -> (ModelReply, String) {
    let shown = Mutex::new(String::new());
    let live = |piece: ReplyPiece<'_>| {
        let (ReplyPiece::Text(text) | ReplyPiece::Thinking(text)) = piece;
        shown.lock().unwrap().push_str(text);
    };
    let reply = client.reply(request, &live).await.unwrap();
    (reply, shown.into_inner().unwrap())
}

/// The text blocks of a reply, joined.
fn text(reply: &ModelReply) -> String {
    let texts = reply.content.iter().filter_map(|block| match block {
        domain::ContentBlock::Text { text } => Some(text.as_str()),
        domain::ContentBlock::Thinking { .. } | domain::ContentBlock::ToolUse { .. } | domain::ContentBlock::Other => {
            None
        }
    });
    texts.collect()
}
