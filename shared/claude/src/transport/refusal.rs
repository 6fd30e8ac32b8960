//! What an HTTP error of the API means.

use domain::{ErrorCode, Terminal};
use http::StatusCode;
use serde::Deserialize;

/// An HTTP error of the service.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The API's `error.type`, such as `overloaded_error`; empty when the body is not the API's.
    kind: String,
    /// The API's `error.details.error_code`, which is finer than the type; empty when there is none.
    code: String,
    /// The API's `error.message`, fit to show.
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Body {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    error_code: String,
}

impl Refusal {
    /// Reads the body of an error; `displayable` makes the service's message fit to show.
    pub(super) fn read(status: StatusCode, body: &[u8], displayable: impl Fn(&str) -> String) -> Self {
        let Ok(Body { error }) = serde_json::from_slice(body) else {
            // The body is a gateway's page; nothing in it is worth showing.
            return Self { status, kind: String::new(), code: String::new(), message: format!("HTTP status {status}") };
        };
        let code = error.details.map(|details| details.error_code).unwrap_or_default();
        Self { status, kind: error.kind, code, message: displayable(&error.message) }
    }

    /// Whether the same request may succeed in a moment. The statuses are those that the vendor's own libraries retry.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 409 | 429) || self.status.is_server_error()
    }

    /// Whether the service lacks capacity (or grants us no more), so that only waiting helps.
    pub(super) fn is_for_capacity(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 529)
    }

    /// The terminal error for a refusal that is not transient.
    pub(super) fn into_terminal(self) -> Terminal {
        let code = match self.status.as_u16() {
            401 | 403 => ErrorCode::ModelAuthentication,
            402 => ErrorCode::ModelBilling,
            404 => ErrorCode::ModelNotFound,
            400 if self.is_billing() => ErrorCode::ModelBilling,
            400 if self.message.starts_with("prompt is too long") => ErrorCode::ContextExhausted,
            _ => ErrorCode::ModelRefusedRequest,
        };
        Terminal::new(code, format!("the Claude API answered {}: {}", self.status.as_u16(), self.message))
    }

    /// Type and code say so, where they are given. Some accounts get only a message, so its wording has to do: a wrong guess
    /// costs no more than a wrong piece of advice.
    fn is_billing(&self) -> bool {
        let is_named = [&self.kind, &self.code]
            .iter()
            .any(|name| ["billing", "spend_limit", "credit_balance"].iter().any(|part| name.contains(part)));
        let message = self.message.to_lowercase();
        is_named || ["credit balance is too low", "api usage limits"].iter().any(|part| message.contains(part))
    }
}
