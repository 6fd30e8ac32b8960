//! Runs the program as a server, and reads its streams.

use futures_util::StreamExt as _;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Home, RunningProgram};

/// A running `backspace serve`. Dropping it asks the server to end and fails the test when it exits with an error.
pub(crate) struct ServerProcess {
    program: RunningProgram,
    pub(crate) address: String,
    http: reqwest::Client,
}

impl ServerProcess {
    /// Starts a server with a script for its model.
    pub(crate) fn start(home: &Home, script: &Value) -> Self {
        let script = home.write("served.json", &script.to_string());
        Self::with(home, &["--script", script.to_str().unwrap()]).0
    }

    /// Starts a server that has no model: neither a key nor a script.
    pub(crate) fn start_without_model(home: &Home) -> Self {
        Self::with(home, &[]).0
    }

    /// Starts a server that requires a token. Returns the first one, which the server creates.
    pub(crate) fn start_with_tokens(home: &Home) -> (Self, String) {
        let (server, announced) = Self::with(home, &["--require-token"]);
        (server, announced["token"].as_str().unwrap().to_owned())
    }

    /// Starts a server and returns what it announces when it listens.
    fn with(home: &Home, more: &[&str]) -> (Self, Value) {
        let arguments = [&["--json", "serve", "--listen", "127.0.0.1:0"], more].concat();
        let mut program = RunningProgram::spawn(home.command(&arguments));
        let announced = program.next().expect("the server ended before it listened");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        (Self { program, address: announced["listening"].as_str().unwrap().to_owned(), http }, announced)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path).header("accept", "application/json").send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.request(Method::POST, path).header("accept", "application/json").json(body);
        answer(request.send().await.unwrap()).await
    }

    /// Starts a session and returns its id without waiting for it.
    pub(crate) async fn begin(&self, body: &Value) -> String {
        let (status, session) = self.post("/code", body).await;
        assert_eq!(status, 202, "{session}");
        session["id"].as_str().unwrap().to_owned()
    }

    /// Reads a session's stream to the final frame of its latest run.
    pub(crate) async fn watch(&self, session: &str, after: u64) -> Vec<Frame> {
        let path = format!("/sessions/{session}/events?after={after}");
        frames(self.request(Method::GET, &path).send().await.unwrap()).await
    }

    /// Kills the server.
    pub(crate) fn kill(mut self) {
        self.program.kill();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let status = self.program.terminate();
        if !std::thread::panicking() {
            assert!(status.is_none_or(|status| status.success()), "the server ended with {status:?}");
        }
    }
}

/// The body of a `POST /code`.
pub(crate) fn code_request(repository: &std::path::Path, prompt: &str) -> Value {
    json!({ "repoUrl": repository, "prompt": prompt })
}

/// The status of a response, and its body: as JSON, or as a string when it is not JSON.
pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    (status, value)
}

/// A frame of an SSE stream.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) id: Option<u64>,
    pub(crate) event: Option<String>,
    pub(crate) data: Value,
}

/// An SSE stream, read frame by frame.
pub(crate) struct Frames {
    bytes: futures_util::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
    /// How many comments were read.
    pub(crate) comments: usize,
}

impl Frames {
    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let bytes = response.bytes_stream().map(|piece| piece.map(|piece| piece.to_vec()));
        Self { bytes: bytes.boxed(), text: String::new(), comments: 0 }
    }

    /// The next frame with data; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if block.starts_with(':') {
                    self.comments += 1;
                }
                if let Some(data) = field("data: ") {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(Frame {
                        id: field("id: ").map(|id| id.parse().unwrap()),
                        event: field("event: "),
                        data,
                    });
                }
            }
            self.text.push_str(std::str::from_utf8(&self.bytes.next().await?.ok()?).unwrap());
        }
    }
}

/// All frames of a stream.
pub(crate) async fn frames(response: Response) -> Vec<Frame> {
    let mut stream = Frames::of(response);
    let mut all = Vec::new();
    while let Some(frame) = stream.next().await {
        all.push(frame);
    }
    all
}

/// The ids of the frames that have one: those of stored events.
pub(crate) fn ids(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame.id).collect()
}
