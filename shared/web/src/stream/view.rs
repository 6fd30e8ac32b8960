//! The forms in which a stream shows a session.

use domain::ports::LiveReply;
use domain::{Seq, SessionId};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ag_ui::AgUi;
use super::{classic, native};

/// The form of a stream.
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

/// A form, with what it has to remember.
pub(super) enum View {
    Native,
    Classic,
    AgUi(AgUi),
}

impl View {
    pub(super) fn new(format: Format, session: &SessionId) -> Self {
        match format {
            Format::Native => Self::Native,
            Format::Classic => Self::Classic,
            Format::AgUi => Self::AgUi(AgUi::new(session)),
        }
    }

    /// What a stream begins with.
    pub(super) fn opened(&mut self, session: &SessionId, out: &mut String) {
        let opened = native::opened(session);
        match self {
            Self::Native => native::passing(&opened, out),
            Self::Classic => native::passing(&classic::frame(&opened), out),
            // The first event of AG-UI is RUN_STARTED, and a run's number is known with its first frame.
            Self::AgUi(_) => {}
        }
    }

    /// A stored frame; `rendered` is its native form.
    pub(super) fn stored(&mut self, seq: Seq, frame: &Value, rendered: &str, out: &mut String) {
        match self {
            Self::Native => out.push_str(rendered),
            Self::Classic => native::stored(seq, &classic::frame(frame), out),
            Self::AgUi(view) => {
                let events = view.events(frame);
                // Only the last of the events that a frame becomes may be gone on after.
                if let Some((last, before)) = events.split_last() {
                    before.iter().for_each(|event| native::passing(event, out));
                    native::stored(seq, last, out);
                }
            }
        }
    }

    /// What was written of a reply.
    pub(super) fn delta(
        &mut self,
        session: &SessionId,
        reply: &LiveReply,
        offset: usize,
        text: &str,
        out: &mut String,
    ) {
        let delta = native::delta(session, reply, offset, text);
        match self {
            Self::Native => {
                // Another event name, so that who reads messages sees each text once, when it is whole.
                out.push_str("event: delta\n");
                native::passing(&delta, out);
            }
            Self::Classic => {}
            Self::AgUi(view) => view.custom("delta", &delta).iter().for_each(|event| native::passing(event, out)),
        }
    }

    /// What a stream ends with before the session does.
    pub(super) fn resume(&mut self, session: &SessionId, after: Seq, out: &mut String) {
        let resume = native::resume(session, after);
        match self {
            Self::Native => native::passing(&resume, out),
            Self::Classic => native::passing(&classic::frame(&resume), out),
            Self::AgUi(view) => view.custom("resume", &resume).iter().for_each(|event| native::passing(event, out)),
        }
    }
}
