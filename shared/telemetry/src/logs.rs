//! Log lines on standard error.

use std::io::{IsTerminal as _, stderr};

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How the targets of crates begin that print what they carry, headers with credentials included, at `debug` or `trace`.
const CARRIERS: [&str; 9] =
    ["aws_", "h2", "hyper", "lambda_", "octocrab", "opentelemetry", "reqwest", "rustls", "tower"];

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people; in colour on a terminal.
    Human,
    /// One JSON object per line, fields of the event such as `session_id`, `step` and `trace_id` at its top level, those
    /// of the spans around it in `spans`.
    Json,
}

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The level is neither a level nor a list of directives.
    #[error(
        "{level:?} is not a log level ({reason}); use error, warn, info, debug or trace, or directives such as \"info,agent=debug\""
    )]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        reason: ParseError,
    },
    /// Something else has set up logs in this process.
    #[error("logs are set up already: {0}")]
    Again(#[from] TryInitError),
}

/// Sets up logs for the process, on standard error. For a composition root, once.
///
/// `level` is `error`, `warn`, `info`, `debug`, `trace`, `off`, or directives per crate: `info,agent=debug`.
///
/// # Errors
///
/// When the level makes no sense, or logs are set up already.
pub fn logs(format: Format, level: &str) -> Result<(), LogsError> {
    subscriber(format, level, stderr)?.try_init()?;
    Ok(())
}

/// What [`logs`] installs, writing to anything.
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
    *metadata.level() <= LevelFilter::INFO || !CARRIERS.iter().any(|carrier| metadata.target().starts_with(carrier))
}
