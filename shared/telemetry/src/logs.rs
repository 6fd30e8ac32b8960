//! Log lines on standard error.

use std::io::{IsTerminal as _, stderr};

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Prefixes of the log targets of crates that, at `debug` or `trace`, print the requests and responses they carry, including
/// headers with credentials.
const CREDENTIAL_TARGETS: [&str; 9] =
    ["aws_", "h2", "hyper", "lambda_", "octocrab", "opentelemetry", "reqwest", "rustls", "tower"];

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, in colour on a terminal.
    Human,
    /// One JSON object per line. The event's fields, such as `session_id`, `step` and `trace_id`, are at its top level; the
    /// fields of the enclosing spans are in `spans`.
    Json,
}

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// `level` is neither a level nor a list of directives.
    #[error(
        "{level:?} is not a log level ({reason}); use error, warn, info, debug or trace, or directives such as \"info,agent=debug\""
    )]
    Level { level: String, reason: ParseError },
    /// This process already has a log subscriber.
    #[error("logs are already set up: {0}")]
    AlreadySetUp(#[from] TryInitError),
}

/// Sets up logging to standard error for the process. A composition root calls it once.
///
/// `level` is `error`, `warn`, `info`, `debug`, `trace`, `off`, or a list of directives per crate, such as
/// `info,agent=debug`.
///
/// # Errors
///
/// When the level is invalid, or logs are already set up.
pub fn logs(format: Format, level: &str) -> Result<(), LogsError> {
    subscriber(format, level, stderr)?.try_init()?;
    Ok(())
}

/// The subscriber that [`logs`] installs, with any writer.
pub(crate) fn subscriber<W>(format: Format, level: &str, writer: W) -> Result<impl Subscriber + Send + Sync, LogsError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter =
        EnvFilter::builder().parse(level).map_err(|reason| LogsError::Level { level: level.to_owned(), reason })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        Format::Human if stderr().is_terminal() => lines.boxed(),
        Format::Human => lines.with_ansi(false).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed(),
    };
    Ok(registry().with(filter).with(filter_fn(is_harmless)).with(lines))
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= LevelFilter::INFO
        || !CREDENTIAL_TARGETS.iter().any(|prefix| metadata.target().starts_with(prefix))
}
