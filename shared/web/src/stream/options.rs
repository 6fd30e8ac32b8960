//! What a client asked of a stream.

use domain::Seq;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamOptions {
    /// The stream begins after this event.
    pub after: Seq,
    pub format: Format,
    pub deltas: Deltas,
}

/// The format of a stream's frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Every field.
    #[default]
    Native,
    /// Only the fields that clients of the first Tiny Backspace know.
    Classic,
    /// AG-UI 1.0 events.
    AgUi,
}

/// Whether the stream shows text while the model writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deltas {
    Include,
    Omit,
}
