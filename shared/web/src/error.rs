//! Errors of the API: one shape for all, and the conversions from the domain's errors.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use domain::admission::NotAdmitted;
use domain::commands::{CommandError, Conflict};
use domain::ports::ReadError;
use domain::{InvalidRequest, SessionLogError, Terminal, Unavailable, error_chain};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Code {
    /// The request is not valid; the message says why. (400)
    InvalidRequest,
    /// The request has no valid token. (401)
    Unauthorized,
    /// The caller, the Host name or the origin is not allowed. (403)
    Forbidden,
    /// It does not exist, or belongs to another principal. (404)
    NotFound,
    /// The route does not support the method. (405)
    MethodNotAllowed,
    /// The session's state does not allow it. (409)
    Conflict,
    /// The named plan is not the one that waits for approval. (409)
    PlanOutdated,
    /// The Idempotency-Key was used for another request, or its session was deleted. (409)
    IdempotencyKeyReused,
    /// The body is too long. (413)
    PayloadTooLarge,
    /// The path and query are too long. (414)
    AddressTooLong,
    /// The body is not declared as JSON. (415)
    UnsupportedMediaType,
    /// A limit of the principal is reached: daily cost, queued sessions or open streams. (429)
    LimitReached,
    /// The headers are too many or too long. (431)
    HeadersTooLarge,
    /// An internal error. (500)
    Internal,
    /// A dependency cannot be reached or is not configured; retry later. (503)
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

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub code: Code,
    /// For people: what happened, to what, and what to do.
    pub message: String,
    /// When a retry may succeed: the header `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    pub(crate) fn retry_after(self, pause: Duration) -> Self {
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

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorContent {
    pub code: Code,
    /// What happened, and what to do.
    pub message: String,
    /// Identifies the request in the service's log, like the header `x-request-id`.
    pub request_id: String,
}

/// The response has no body yet and carries the error as an extension: the outermost layer, which knows the request's id,
/// writes the body.
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
        // The cause may contain internals, so it is only logged.
        tracing::warn!(error = error_chain(&unavailable), "a request failed");
        Self::new(Code::Unavailable, format!("{} cannot be reached; retry in a moment", unavailable.dependency))
            .retry_after(Duration::from_secs(2))
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

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        CommandError::from(error).into()
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
            CommandError::NotFound(_) | CommandError::Deleted(_) | CommandError::NoToken(_) => {
                Self::new(Code::NotFound, message)
            }
            CommandError::Conflict(Conflict::OtherPlan { .. }) => Self::new(Code::PlanOutdated, message),
            CommandError::Conflict(
                Conflict::RunOver
                | Conflict::RunActive
                | Conflict::NotOver(_)
                | Conflict::Illegal(_)
                | Conflict::Contended
                | Conflict::LogExists(_)
                | Conflict::LogUnreadable(_)
                | Conflict::NoPlanWaiting(_),
            ) => Self::new(Code::Conflict, message),
            CommandError::Invalid(_) => Self::invalid(message),
            CommandError::KeyReused | CommandError::KeyOfDeleted(_) => Self::new(Code::IdempotencyKeyReused, message),
            CommandError::NotAdmitted(NotAdmitted::Repository(_)) => Self::new(Code::Forbidden, message),
            CommandError::NotAdmitted(NotAdmitted::DailyCost { .. } | NotAdmitted::QueueFull) => {
                // Sessions that end release the unused part of their reservation.
                Self::new(Code::LimitReached, message).retry_after(Duration::from_secs(60))
            }
            CommandError::Corrupt(_) => Self::new(Code::Internal, message),
            CommandError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}
