//! HTTP to the Claude API: headers, proxies, retries, and the reading of answers. Knows nothing of what a request asks.

pub(crate) use event_stream::EventStream;
pub(crate) use failure::Failure;
pub(crate) use http_client::HttpClient;
pub(crate) use json::send_for_json;

mod event_stream;
mod failure;
mod http_client;
mod json;
mod refusal;
mod retry;
mod service_text;
mod sse;
