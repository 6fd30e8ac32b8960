//! Shows a reply to viewers while the model writes it.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ports::{LiveReply, MAX_LIVE_BYTES};
use domain::{CallKey, Conversation, ModelError, ModelReply, ModelRequest, ReplyPiece, error_chain};
use futures_util::future::{Either, select};

use super::ModelCaller;
use crate::context::Context;

/// Time between two updates of the live text: each is a write.
const LIVE_INTERVAL: Duration = Duration::from_secs(1);

impl ModelCaller {
    /// Streams the reply. Only the main conversation is shown live: the plan is JSON.
    pub(super) async fn stream(
        &self,
        context: &Context,
        call: CallKey,
        request: &ModelRequest,
    ) -> Result<ModelReply, ModelError> {
        let buffer = Mutex::new(LiveBuffer::default());
        let on_piece = |piece: ReplyPiece<'_>| buffer.lock().unwrap_or_else(PoisonError::into_inner).add(piece);
        let reply = self.model.reply(request, &on_piece);
        match call.conversation {
            Conversation::Plan => reply.await,
            // Side by side: a slow write of the live text must not keep the stream from being read.
            Conversation::Main => match select(reply, Box::pin(self.show_growing(context, call, &buffer))).await {
                Either::Left((result, _)) => result,
                Either::Right((never, _)) => match never {},
            },
        }
    }

    /// Shows the text in `buffer` while it grows, until it is dropped.
    async fn show_growing(&self, context: &Context, call: CallKey, buffer: &Mutex<LiveBuffer>) -> Infallible {
        let CallKey { conversation, turn, attempt } = call;
        let mut shown_bytes = 0;
        loop {
            context.common.clock.sleep(LIVE_INTERVAL).await;
            let text = buffer.lock().unwrap_or_else(PoisonError::into_inner).text.clone();
            if text.len() == shown_bytes {
                continue;
            }
            shown_bytes = text.len();
            // Holds back the end of the text as long as it may be the beginning of a secret.
            let text = context.common.redactor.redact_growing(&text);
            let (offset, text) = tail(&text);
            let reply = LiveReply { conversation, turn, attempt, offset, text: text.to_owned() };
            // The reply itself is stored when it is complete, so a failure here costs nothing but the preview.
            if let Err(error) = self.live.show(context.log.session_id(), &reply).await {
                tracing::debug!(error = error_chain(&error), "live text was not shown");
            }
        }
    }
}

/// The last [`MAX_LIVE_BYTES`] of a text, and how many characters precede them.
fn tail(text: &str) -> (usize, &str) {
    let start = text.ceil_char_boundary(text.len().saturating_sub(MAX_LIVE_BYTES));
    (text[..start].chars().count(), &text[start..])
}

/// The text of a reply so far. It includes the summary of the thinking, in which current models report what they do between
/// tool calls.
#[derive(Default)]
struct LiveBuffer {
    text: String,
    is_thinking: bool,
}

impl LiveBuffer {
    fn add(&mut self, piece: ReplyPiece<'_>) {
        let (text, is_thinking) = match piece {
            ReplyPiece::Text(text) => (text, false),
            ReplyPiece::Thinking(text) => (text, true),
        };
        if is_thinking != self.is_thinking && !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.is_thinking = is_thinking;
        self.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_reply_is_shown_with_its_offset_in_characters() {
        assert_eq!(tail("short"), (0, "short"));
        let long = "ä".repeat(MAX_LIVE_BYTES);
        let (offset, text) = tail(&long);
        assert_eq!((offset, text.len()), (MAX_LIVE_BYTES / 2, MAX_LIVE_BYTES));
        let odd = format!("{long}a");
        let (offset, text) = tail(&odd);
        assert_eq!((offset, text.len()), (MAX_LIVE_BYTES / 2 + 1, MAX_LIVE_BYTES - 1), "cut between two characters");
    }
}
