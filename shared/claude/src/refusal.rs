//! What an HTTP error of the API means.

use domain::{ErrorCode, Terminal};
use http::StatusCode;
use serde::Deserialize;

use crate::scrubber::Scrubber;

/// An error as the service put it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The service's word for it, such as `overloaded_error`.
    kind: String,
    /// A finer code, where there is one.
    code: String,
    /// What it says, fit to be shown.
    pub(crate) message: String,
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
    pub(crate) fn read(status: StatusCode, body: &[u8], scrubber: &Scrubber) -> Self {
        let error = serde_json::from_slice::<Body>(body).ok().map(|body| body.error);
        let code = error.as_ref().and_then(|error| error.details.as_ref()).map(|details| details.error_code.clone());
        // A gateway's page says nothing that would be worth showing.
        let (kind, message) =
            error.map_or_else(|| (String::new(), format!("HTTP status {status}")), |error| (error.kind, error.message));
        Self { status, kind, code: code.unwrap_or_default(), message: scrubber.clean(&message) }
    }

    /// Whether the same request may be answered in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 409 | 429) || self.status.is_server_error()
    }

    /// Whether it is for want of capacity, so that waiting helps.
    pub(crate) fn is_for_capacity(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 529)
    }

    /// The end that it means when it is not passing.
    pub(crate) fn into_terminal(self) -> Terminal {
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

    /// The type and the code say so; some accounts meet only a sentence, and then the sentence has to do. A wrong guess
    /// costs no more than a wrong piece of advice.
    fn is_billing(&self) -> bool {
        let named = [&self.kind, &self.code]
            .iter()
            .any(|word| ["billing", "spend_limit", "credit_balance"].iter().any(|sign| word.contains(sign)));
        let said = self.message.to_lowercase();
        named || ["credit balance is too low", "api usage limits"].iter().any(|sign| said.contains(sign))
    }
}

/// A request that we ourselves could not make.
pub(crate) fn ours(message: &str) -> Terminal {
    Terminal::new(ErrorCode::ModelRefusedRequest, message)
}
