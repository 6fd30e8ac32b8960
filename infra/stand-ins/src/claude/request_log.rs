//! The latest requests, for tests to inspect.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method};

/// A request as received.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// `POST` or `GET`.
    pub method: Method,
    /// Without the query.
    pub path: String,
    /// Credentials are redacted, but still present.
    pub headers: HeaderMap,
    /// Byte for byte.
    pub body: Bytes,
}

impl RecordedRequest {
    pub(crate) fn new(method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Self {
        let mut headers = headers.clone();
        for name in ["authorization", "x-api-key"] {
            if let Some(value) = headers.get_mut(name) {
                *value = HeaderValue::from_static("[REDACTED]");
            }
        }
        Self { method, path: path.to_owned(), headers, body }
    }
}

/// The latest requests, up to a maximum number.
pub(crate) struct RequestLog {
    max: usize,
    requests: VecDeque<RecordedRequest>,
}

impl RequestLog {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, requests: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, request: RecordedRequest) {
        if self.max == 0 {
            return;
        }
        if self.requests.len() == self.max {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.requests.iter().cloned().collect()
    }
}
