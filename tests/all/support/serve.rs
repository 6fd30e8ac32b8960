//! Runs the program as a server, and watches its streams.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use futures_util::StreamExt as _;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::Home;

/// A server that runs. It has to end well when asked to.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
    http: reqwest::Client,
}

impl Served {
    /// Serves a home with a script for its model.
    pub(crate) fn start(home: &Home, script: &Value) -> Self {
        let script = home.write("served.json", &script.to_string());
        Self::with(home, &["--script", script.to_str().unwrap()])
    }

    /// Serves a home in which there is no model to talk to.
    pub(crate) fn start_without_model(home: &Home) -> Self {
        Self::with(home, &[])
    }

    /// Serves a home to whoever has a token. Returns the first one.
    pub(crate) fn start_with_tokens(home: &Home) -> (Self, String) {
        let (served, said) = Self::said(home, &["--require-token"]);
        (served, said["token"].as_str().unwrap().to_owned())
    }

    fn with(home: &Home, more: &[&str]) -> Self {
        Self::said(home, more).0
    }

    fn said(home: &Home, more: &[&str]) -> (Self, Value) {
        let arguments = [&["--json", "serve", "--listen", "127.0.0.1:0"], more].concat();
        let mut child = home.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server said {line:?}"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        (Self { child, address: said["listening"].as_str().unwrap().to_owned(), http }, said)
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

    /// Starts a session and does not wait for it. Returns its id.
    pub(crate) async fn begin(&self, body: &Value) -> String {
        let (status, session) = self.post("/code", body).await;
        assert_eq!(status, 202, "{session}");
        session["id"].as_str().unwrap().to_owned()
    }

    /// Watches a session to the final frame of its latest run.
    pub(crate) async fn watch(&self, session: &str, after: u64) -> Vec<Frame> {
        let path = format!("/sessions/{session}/events?after={after}");
        frames(self.request(Method::GET, &path).send().await.unwrap()).await
    }

    /// Ends the server without asking.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        let asked = std::process::Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let ended = self.child.wait().unwrap();
        if !std::thread::panicking() {
            assert!(asked.success() && ended.success(), "the server ended with {ended}");
        }
    }
}

/// A request for a repository.
pub(crate) fn asks(repository: &std::path::Path, prompt: &str) -> Value {
    json!({ "repoUrl": repository, "prompt": prompt })
}

pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    (status, value)
}

/// A frame of a stream, as it was framed.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) id: Option<u64>,
    pub(crate) event: Option<String>,
    pub(crate) data: Value,
}

/// A stream, frame by frame.
pub(crate) struct Frames {
    bytes: futures_util::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
    /// Comments that were seen.
    pub(crate) comments: usize,
}

impl Frames {
    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let bytes = response.bytes_stream().map(|piece| piece.map(|piece| piece.to_vec()));
        Self { bytes: bytes.boxed(), text: String::new(), comments: 0 }
    }

    /// The next frame; none when the stream is over.
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

/// The ids of the stored frames.
pub(crate) fn ids(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame.id).collect()
}
