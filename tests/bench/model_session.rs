//! Measures a session of 200 turns with three tool calls each between our client and our stand-in: the share of cache reads among
//! the tokens that are sent again, and the time to build a request. Prints one line of JSON, which `tests/bench/model_session.py`
//! compares with Anthropic's Python package. Given a file name, writes the last request's body there.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark: it ends with its first error and prints")]

use std::time::{Duration, Instant};

use claude::{Client, Configuration};
use domain::{CallOptions, ContentBlock, Model, ModelReply, ModelRequest, RawJson};
use serde_json::{Value, json};
use stand_ins::claude::{Script, Server, Settings};

const TURNS: usize = 200;
const TOOLS: usize = 3;
/// About the length of a short file or of a test's output.
const RESULT_BYTES: usize = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let call = |turn: usize, tool: usize| json!({ "name": "bash", "input": { "command": format!("sed -n 1,60p src/{turn}/{tool}.rs") } });
    let turn = |turn: usize| {
        let calls: Vec<Value> = (0..TOOLS).map(|tool| call(turn, tool)).collect();
        json!({ "thinking": "I look at the next three files and compare them with what I know.", "tools": calls })
    };
    let script = json!({ "turns": (0..TURNS).map(turn).collect::<Vec<_>>() }).to_string();
    let server = Server::bind("127.0.0.1:0", Script::parse(&script).unwrap(), Settings::default()).await.unwrap();
    let mut configuration = Configuration::new("key".into()).unwrap();
    configuration.base_url = server.url();
    let client = Client::new(configuration).unwrap();
    let mut request = ModelRequest {
        model: "claude-sonnet-5-5".to_owned(),
        max_tokens: 32_000,
        system: "You change code. ".repeat(400),
        tools: RawJson::parse(r#"[{"type":"bash_20250124","name":"bash"}]"#).unwrap(),
        messages: vec![
            RawJson::of(&json!({ "role": "user", "content": [{ "type": "text", "text": "Go through the files." }] }))
                .unwrap(),
        ],
        output_schema: None,
        deadline: Duration::from_secs(60),
        options: CallOptions::default(),
    };
    let (mut sent_before, mut again, mut read) = (0, 0, 0);
    for number in 0..TURNS {
        let reply = client.reply(&request, &|_| {}).await.unwrap();
        again += sent_before;
        read += reply.usage.cache_read_tokens.min(sent_before);
        sent_before = reply.usage.context_tokens();
        request.options.previous_message.clone_from(&reply.details.message_id);
        if number + 1 < TURNS {
            extend(&mut request, &reply);
        }
    }
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let start = Instant::now();
            let body = client.body(&request).unwrap();
            let elapsed = start.elapsed();
            assert!(body.len() > RESULT_BYTES * TURNS);
            elapsed.as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let body = client.body(&request).unwrap();
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, &body).unwrap();
    }
    let figures = json!({
        "turns": server.bill().len(),
        "bodyBytes": body.len(),
        "promptTokens": sent_before,
        "cacheShare": read as f64 / again as f64,
        "buildMedianMs": times[times.len() / 2],
        "buildSlowestMs": times[times.len() - 1],
    });
    println!("{figures}");
}

/// Appends the reply and its results to the conversation, as the agent's loop does.
fn extend(request: &mut ModelRequest, reply: &ModelReply) {
    let message: std::collections::BTreeMap<String, RawJson> = reply.raw.read().unwrap();
    let assistant = format!(r#"{{"role":"assistant","content":{}}}"#, message["content"].as_str());
    let results: Vec<Value> = reply
        .content
        .iter()
        .filter_map(|block| match block {
            ContentBlock::ToolUse { id, .. } => Some(json!({
                "type": "tool_result", "tool_use_id": id, "content": "fn main() { let x = 1; }\n".repeat(RESULT_BYTES / 25),
            })),
            ContentBlock::Text { .. } | ContentBlock::Thinking { .. } | ContentBlock::Other => None,
        })
        .collect();
    request.messages.push(RawJson::parse(assistant).unwrap());
    request.messages.push(RawJson::of(&json!({ "role": "user", "content": results })).unwrap());
}
