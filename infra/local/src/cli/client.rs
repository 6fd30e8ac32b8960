//! A client of the program's own API: of a server that runs, or of the same routes in this process.

use std::fs::File;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::body::Body;
use futures_util::StreamExt as _;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use crate::server;
use crate::settings::Settings;
use crate::world::World;

/// A client of the API.
pub(super) enum Client {
    /// Calls the server that runs for the program's directory.
    Server(ServerClient),
    /// Calls the routes in this process.
    InProcess(Router),
}

/// A client of the server that runs for the program's directory.
pub(super) struct ServerClient {
    http: reqwest::Client,
    /// The path of the socket leads through this open directory.
    _home: File,
}

/// Base address for requests over the socket. Its host name has no effect.
const BASE_URL: &str = "http://localhost";

const UNREACHABLE: &str = "the server of this directory cannot be reached";

impl ServerClient {
    /// Connects to the server of the program's directory. Returns none when no server answers.
    pub(super) async fn connect(settings: &Settings) -> Option<Self> {
        let (path, home) = server::socket_path(&settings.home).ok()?;
        let http = reqwest::Client::builder().unix_socket(path).no_proxy().build().ok()?;
        let answer = http.get(format!("{BASE_URL}/health")).send().await.ok()?;
        answer.status().is_success().then_some(Self { http, _home: home })
    }

    /// Opens a stream of frames.
    pub(super) async fn stream(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Frames> {
        let response = self.send(method, path, body, "text/event-stream").await?;
        if !response.status().is_success() {
            let text = response.text().await.unwrap_or_default();
            bail!(error_message(&text));
        }
        Ok(Frames { bytes: response.bytes_stream().boxed(), buffer: Vec::new() })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.request(method, format!("{BASE_URL}{path}")).header(header::ACCEPT, accept);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.context(UNREACHABLE)
    }
}

/// The frames of a stream.
pub(super) struct Frames {
    bytes: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
}

impl Frames {
    /// The next frame, or none when the stream ended or broke off.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let data = line.strip_prefix(b"data: ").map(serde_json::from_slice);
                if let Some(Ok(frame)) = data {
                    return Some(frame);
                }
            }
            self.buffer.extend_from_slice(&self.bytes.next().await?.ok()?);
        }
    }
}

impl Client {
    /// Connects to the server that runs, or to the routes in this process when none does.
    pub(super) async fn connect(world: &Arc<World>) -> anyhow::Result<Self> {
        match ServerClient::connect(&world.settings).await {
            Some(server) => Ok(Self::Server(server)),
            None => {
                // `code` starts sessions without the API, which checks the model's key.
                let no_starts = Err("sessions are started with `backspace code`".to_owned());
                let api = server::api(world, &no_starts, web::Limits::default())?;
                Ok(Self::InProcess(server::owner_router(world, &api)?))
            }
        }
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    /// Sends a request and returns the body of its answer, null when that is empty. An error response is an error.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        const JSON: &str = "application/json";
        let (success, text) = match self {
            Self::Server(server) => {
                let response = server.send(method, path, body, JSON).await?;
                (response.status().is_success(), response.text().await?)
            }
            Self::InProcess(router) => {
                let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, JSON);
                let body = match body {
                    Some(body) => {
                        let text = body.to_string();
                        request = request.header(header::CONTENT_TYPE, JSON).header(header::CONTENT_LENGTH, text.len());
                        Body::from(text)
                    }
                    None => Body::empty(),
                };
                let request = request.body(body)?;
                let response = TowerToHyperService::new(router.clone()).call(request).await?;
                let success = response.status().is_success();
                let bytes = response.into_body().collect().await?.to_bytes();
                (success, String::from_utf8_lossy(&bytes).into_owned())
            }
        };
        if !success {
            bail!(error_message(&text));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("the server's answer is not JSON")
    }
}

/// The message in the body of an error response.
fn error_message(body: &str) -> String {
    let error: Value = serde_json::from_str(body).unwrap_or_default();
    error["error"]["message"].as_str().map_or_else(|| "the server refused the request".to_owned(), str::to_owned)
}
