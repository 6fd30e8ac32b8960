//! What was asked.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `POST` or `GET`.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The headers; of credentials only that they were there.
    pub headers: HeaderMap,
    /// The body, to the byte.
    pub body: Bytes,
}

impl Recorded {
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

/// The last so many requests.
pub(crate) struct Record {
    most: usize,
    requests: VecDeque<Recorded>,
}

impl Record {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, requests: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, request: Recorded) {
        if self.most == 0 {
            return;
        }
        if self.requests.len() == self.most {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(crate) fn all(&self) -> Vec<Recorded> {
        self.requests.iter().cloned().collect()
    }
}
