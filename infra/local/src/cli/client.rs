//! The program as a client of its own API: of a server that runs, or of the same routes in this process.

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
    /// A server that runs.
    Server(ServerClient),
    /// The routes, in this process.
    Here(Router),
}

/// A client of the server that runs for the program's directory.
pub(super) struct ServerClient {
    http: reqwest::Client,
    /// The way to the socket leads through it.
    _home: File,
}

/// Where the server is called on its socket: the name does not matter.
const ADDRESS: &str = "http://localhost";

impl ServerClient {
    /// The server of the program's directory, if one runs.
    pub(super) async fn find(settings: &Settings) -> Option<Self> {
        let (path, home) = server::socket_path(&settings.home).ok()?;
        let http = reqwest::Client::builder().unix_socket(path).no_proxy().build().ok()?;
        let answer = http.get(format!("{ADDRESS}/health")).send().await.ok()?;
        answer.status().is_success().then_some(Self { http, _home: home })
    }

    /// Opens a stream of frames.
    pub(super) async fn stream(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Frames> {
        let mut request = self.http.request(method, format!("{ADDRESS}{path}"));
        request = request.header(header::ACCEPT, "text/event-stream");
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.context("the server cannot be reached")?;
        if !response.status().is_success() {
            let text = response.text().await.unwrap_or_default();
            bail!("{}", refusal(&text));
        }
        Ok(Frames { bytes: response.bytes_stream().boxed(), rest: Vec::new() })
    }
}

/// The frames of a stream.
pub(super) struct Frames {
    bytes: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    rest: Vec<u8>,
}

impl Frames {
    /// The next frame; none when the stream is over or broke off.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let data = line.strip_prefix(b"data: ").map(serde_json::from_slice);
                if let Some(Ok(frame)) = data {
                    return Some(frame);
                }
            }
            self.rest.extend_from_slice(&self.bytes.next().await?.ok()?);
        }
    }
}

impl Client {
    /// A client of the server that runs, or of the routes in this process.
    pub(super) async fn of(world: &Arc<World>) -> anyhow::Result<Self> {
        match ServerClient::find(&world.settings).await {
            Some(server) => Ok(Self::Server(server)),
            None => {
                let reason = Err("no session is started this way".to_owned());
                let api = server::api(world, &reason, web::Limits::default())?;
                Ok(Self::Here(server::own_router(world, &api)?))
            }
        }
    }

    /// Asks for something.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Has something done.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Has something taken away.
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (success, text) = match self {
            Self::Server(server) => {
                let mut request = server.http.request(method, format!("{ADDRESS}{path}"));
                request = request.header(header::ACCEPT, "application/json");
                if let Some(body) = body {
                    request = request.json(body);
                }
                let response = request.send().await.context("the server cannot be reached")?;
                (response.status().is_success(), response.text().await?)
            }
            Self::Here(router) => {
                let mut request =
                    Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
                let body = match body {
                    Some(body) => {
                        let text = body.to_string();
                        request = request.header(header::CONTENT_TYPE, "application/json");
                        request = request.header(header::CONTENT_LENGTH, text.len());
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
            bail!("{}", refusal(&text));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("the answer is not JSON")
    }
}

/// What an error says to people.
fn refusal(text: &str) -> String {
    let error: Value = serde_json::from_str(text).unwrap_or_default();
    error["error"]["message"].as_str().map_or_else(|| "the request was not carried out".to_owned(), str::to_owned)
}
