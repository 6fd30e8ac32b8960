//! What an error of the API means, whether it comes as an HTTP status, as the body of a 200, or as an event in mid-stream.

use domain::{ErrorCode, Terminal, WindowCount};
use http::StatusCode;
use serde::Deserialize;

use super::failure::Failure;

/// An error of the service.
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

/// The API's error object.
#[derive(Deserialize)]
struct Body {
    r#type: Option<String>,
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
    /// The error in an answer, if it is one: every status but 200 is, and so is a 200 whose body is the API's error object, as
    /// gateways send that have committed to a status before they ask the service. `displayable` makes the service's message
    /// fit to show.
    pub(super) fn of_answer(status: StatusCode, body: &[u8], displayable: impl Fn(&str) -> String) -> Option<Self> {
        match serde_json::from_slice::<Body>(body) {
            Ok(Body { error, .. }) if status != StatusCode::OK => Some(Self::new(status, error, displayable)),
            Ok(Body { r#type, error }) if r#type.as_deref() == Some("error") => {
                Some(Self::new(status_of(&error.kind), error, displayable))
            }
            Ok(_) | Err(_) if status == StatusCode::OK => None,
            Ok(_) | Err(_) => {
                // The body is a gateway's page; nothing in it is worth showing.
                let message = format!("HTTP status {status}");
                Some(Self { status, kind: String::new(), code: String::new(), message })
            }
        }
    }

    /// The error in an `error` event of a stream.
    pub(super) fn of_event(event: &str, displayable: impl Fn(&str) -> String) -> serde_json::Result<Self> {
        let Body { error, .. } = serde_json::from_str(event)?;
        Ok(Self::new(status_of(&error.kind), error, displayable))
    }

    fn new(status: StatusCode, error: Error, displayable: impl Fn(&str) -> String) -> Self {
        let code = error.details.map(|details| details.error_code).unwrap_or_default();
        Self { status, kind: displayable(&error.kind), code, message: displayable(&error.message) }
    }

    /// Whether the same request may succeed in a moment. The statuses are those that the vendor's own libraries retry.
    pub(super) fn is_transient(&self) -> bool {
        let is_status_transient = matches!(self.status.as_u16(), 408 | 409 | 429) || self.status.is_server_error();
        is_status_transient && !self.is_filtered()
    }

    /// Whether the service lacks capacity (or grants us no more), so that only waiting helps.
    pub(super) fn is_for_capacity(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 529)
    }

    /// The failure that an `error` event in mid-stream stands for. What the model wrote before it is billed, so that a lack of
    /// capacity is an interruption here: a wait reports no cost.
    pub(super) fn into_failure_in_stream(self) -> Failure {
        if self.is_transient() {
            Failure::Interrupted(format!("{}: {}", self.kind, self.message))
        } else {
            let sentence = format!("the Claude API ended the reply with {}: {}", self.kind, self.message);
            self.into_lasting(sentence)
        }
    }

    /// The failure for a refusal that is not transient.
    pub(super) fn into_lasting_failure(self) -> Failure {
        let sentence = format!("the Claude API answered {}: {}", self.status.as_u16(), self.message);
        self.into_lasting(sentence)
    }

    fn into_lasting(self, sentence: String) -> Failure {
        if self.is_filtered() {
            return Failure::Filtered(sentence);
        }
        if self.exceeds_window() {
            return Failure::WindowExceeded { counted: window_count(&self.message), reason: sentence };
        }
        let code = match self.status.as_u16() {
            401 | 403 => ErrorCode::ModelAuthentication,
            402 => ErrorCode::ModelBilling,
            404 => ErrorCode::ModelNotFound,
            413 => ErrorCode::ContextExhausted,
            400 if self.is_billing() => ErrorCode::ModelBilling,
            400 if self.message.starts_with("prompt is too long") => ErrorCode::ContextExhausted,
            // Nothing that understood the request sends one elsewhere.
            300..400 => ErrorCode::ModelUnavailable,
            _ => ErrorCode::ModelRefusedRequest,
        };
        Failure::Terminal(Terminal::new(code, sentence))
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

    /// Whether a filter of the service withheld the reply. It has the type of an invalid request or of an internal error, so
    /// only the message tells: "Output blocked by content filtering policy".
    fn is_filtered(&self) -> bool {
        self.message.to_lowercase().contains("content filtering policy")
    }

    /// Whether prompt and `max_tokens` together exceed the window: "input length and `max_tokens` exceed context limit: A + B >
    /// C, decrease input length or `max_tokens` and try again".
    fn exceeds_window(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST
            && self.message.contains("max_tokens")
            && self.message.contains("exceed context limit")
    }
}

/// The HTTP status under which the API usually sends an error of this type. A type that is not known here is a server error:
/// retryable is the default for a failure of an outside system.
fn status_of(kind: &str) -> StatusCode {
    let status = match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The service's count in "…: A + B > C, …", where A is the prompt, B `max_tokens` and C the window.
fn window_count(message: &str) -> Option<WindowCount> {
    let (sum, rest) = message.split_once(" > ")?;
    let (before, _) = sum.rsplit_once(" + ")?;
    let prompt_tokens = before.rsplit(' ').next()?.parse().ok()?;
    let window = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    Some(WindowCount { prompt_tokens, window_tokens: window.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Option<Refusal> {
        Refusal::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes(), str::to_owned)
    }

    #[test]
    fn the_count_of_tokens_is_read_where_there_is_one() {
        let message = |sum: &str| {
            format!(
                "input length and `max_tokens` exceed context limit{sum}, decrease input length or `max_tokens` and try again"
            )
        };
        let counted = Some(WindowCount { prompt_tokens: 190_000, window_tokens: 200_000 });
        assert_eq!(window_count(&message(": 190000 + 20000 > 200000")), counted);
        for odd in [": many + 20000 > 200000", ": 190000 > 200000", ": 190000 + 20000 > ", ""] {
            assert_eq!(window_count(&message(odd)), None, "{odd}");
            let body = serde_json::json!({ "error": { "type": "invalid_request_error", "message": message(odd) } });
            let failure = refusal(400, &body.to_string()).unwrap().into_lasting_failure();
            assert!(matches!(failure, Failure::WindowExceeded { counted: None, .. }), "{odd}");
        }
    }

    #[test]
    fn an_error_object_has_the_status_of_its_type() {
        for (kind, status) in [
            ("invalid_request_error", 400),
            ("authentication_error", 401),
            ("billing_error", 402),
            ("permission_error", 403),
            ("not_found_error", 404),
            ("request_too_large", 413),
            ("rate_limit_error", 429),
            ("api_error", 500),
            ("timeout_error", 504),
            ("overloaded_error", 529),
            ("an_error_of_later_years", 500),
        ] {
            let object = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"x"}},"request_id":"r"}}"#);
            assert_eq!(refusal(200, &object).unwrap().status.as_u16(), status, "{kind}");
            assert_eq!(Refusal::of_event(&object, str::to_owned).unwrap().status.as_u16(), status, "{kind}");
            assert_eq!(refusal(418, &object).unwrap().status.as_u16(), 418, "the status of an HTTP error stays");
        }
        for other in ["<html>", r#"{"type":"message","content":[]}"#, r#"{"error":{"type":"api_error"}}"#, ""] {
            assert!(refusal(200, other).is_none(), "{other}");
            assert!(refusal(502, other).is_some(), "{other}");
        }
    }
}
