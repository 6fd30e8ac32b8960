//! The formats of a stream, with the state that each needs.

use domain::ports::LiveReply;
use domain::{Seq, SessionId};
use serde_json::Value;

use super::ag_ui::AgUi;
use super::options::Format;
use super::{classic, native};

/// Renders frames in a format.
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

    /// Renders the first frame of a stream.
    pub(super) fn opened(&mut self, session: &SessionId, out: &mut String) {
        let opened = native::opened(session);
        match self {
            Self::Native => native::transient(&opened, out),
            Self::Classic => native::transient(&classic::frame(&opened), out),
            // The first event in AG-UI has to be RUN_STARTED, whose run number is known at the first stored frame.
            Self::AgUi(_) => {}
        }
    }

    /// Renders a stored frame; `rendered` is the frame in the native format.
    pub(super) fn stored(&mut self, seq: Seq, frame: &Value, rendered: &str, out: &mut String) {
        match self {
            Self::Native => out.push_str(rendered),
            Self::Classic => native::stored(seq, &classic::frame(frame), out),
            Self::AgUi(view) => {
                let events = view.events(frame);
                // Only the last event of a frame has its id: a client that resumes after it has all of them.
                if let Some((last, before)) = events.split_last() {
                    before.iter().for_each(|event| native::transient(event, out));
                    native::stored(seq, last, out);
                }
            }
        }
    }

    /// Renders live text.
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
                // A named event: clients that read only unnamed ones see each text once, when it is complete.
                out.push_str("event: delta\n");
                native::transient(&delta, out);
            }
            Self::Classic => {}
            Self::AgUi(view) => view.custom("delta", &delta).iter().for_each(|event| native::transient(event, out)),
        }
    }

    /// Renders the last frame of a stream that ends before its session.
    pub(super) fn resume(&mut self, session: &SessionId, after: Seq, out: &mut String) {
        let resume = native::resume(session, after);
        match self {
            Self::Native => native::transient(&resume, out),
            Self::Classic => native::transient(&classic::frame(&resume), out),
            Self::AgUi(view) => view.custom("resume", &resume).iter().for_each(|event| native::transient(event, out)),
        }
    }
}
