//! What a client is told when a request is not carried out: one shape everywhere.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use domain::commands::{CommandError, Conflict};
use domain::{InvalidRequest, NotAdmitted, SessionLogError, Terminal, Unavailable, error_chain};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Code {
    /// The request is not one that can be carried out; the message says what is wrong with it. (400)
    InvalidRequest,
    /// No valid token came with the request. (401)
    Unauthorized,
    /// The caller, or the page that sent the request, may not do this. (403)
    Forbidden,
    /// There is no such thing, or it is somebody else's. (404)
    NotFound,
    /// The address is right, the method is not. (405)
    MethodNotAllowed,
    /// The session is not in a state for it. (409)
    Conflict,
    /// The plan that was named is not the one that waits. (409)
    PlanOutdated,
    /// The Idempotency-Key came with another request before. (409)
    IdempotencyKeyReused,
    /// The body is too long. (413)
    PayloadTooLarge,
    /// The address is too long. (414)
    AddressTooLong,
    /// The body is not declared as JSON. (415)
    UnsupportedMediaType,
    /// The principal's limits are reached: money of the day, sessions in line, open streams. (429)
    LimitReached,
    /// There are too many headers, or they are too long. (431)
    HeadersTooLarge,
    /// Something went wrong inside. (500)
    Internal,
    /// Something that is needed cannot be reached or is not set up; try again later. (503)
    Unavailable,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::PlanOutdated | Self::IdempotencyKeyReused => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::LimitReached => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Why, for programs.
    pub code: Code,
    /// Why, for people: what happened, to what, what to do.
    pub message: String,
    /// After how long it is worth another try.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    pub(crate) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    pub error: ErrorContent,
}

/// What every error says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorContent {
    /// Why, for programs.
    pub code: Code,
    /// Why, for people.
    pub message: String,
    /// Names the request in the log of the service, as the header `x-request-id` does.
    pub request_id: String,
}

/// The error travels beside an empty response: whoever knows the request's id writes the body.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        if let Some(pause) = self.retry_after {
            response.headers_mut().insert(http::header::RETRY_AFTER, pause.as_secs().max(1).into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        // What failed is named; how it failed is for the log.
        tracing::warn!(error = error_chain(&unavailable), "a request was not carried out");
        Self::new(Code::Unavailable, format!("{} cannot be reached; try again", unavailable.dependency))
            .after(Duration::from_secs(2))
    }
}

impl From<Terminal> for ApiError {
    fn from(terminal: Terminal) -> Self {
        Self::invalid(terminal.message)
    }
}

impl From<InvalidRequest> for ApiError {
    fn from(invalid: InvalidRequest) -> Self {
        Self::invalid(invalid.to_string())
    }
}

impl From<SessionLogError> for ApiError {
    fn from(error: SessionLogError) -> Self {
        CommandError::from(error).into()
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        let message = error.to_string();
        match error {
            CommandError::NotFound(_) | CommandError::NoToken(_) => Self::new(Code::NotFound, message),
            CommandError::Conflict(Conflict::OtherPlan { .. }) => Self::new(Code::PlanOutdated, message),
            CommandError::Conflict(
                Conflict::RunOver
                | Conflict::RunActive
                | Conflict::Illegal(_)
                | Conflict::LogExists(_)
                | Conflict::LogUnreadable(_)
                | Conflict::NoPlanWaiting(_),
            ) => Self::new(Code::Conflict, message),
            CommandError::Invalid(_) => Self::invalid(message),
            CommandError::KeyReused => Self::new(Code::IdempotencyKeyReused, message),
            CommandError::NotAdmitted(NotAdmitted::Repository(_)) => Self::new(Code::Forbidden, message),
            CommandError::NotAdmitted(NotAdmitted::DailyCost { .. } | NotAdmitted::QueueFull) => {
                // Sessions that end give back what they did not use.
                Self::new(Code::LimitReached, message).after(Duration::from_secs(60))
            }
            CommandError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}
