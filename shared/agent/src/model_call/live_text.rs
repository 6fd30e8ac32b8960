//! Shows a reply to viewers while the model writes it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ports::LiveReply;
use domain::{CallKey, Conversation, ModelError, ModelReply, ModelRequest, ReplyPiece, error_chain};
use futures_util::future::{Either, select};

use super::ModelCaller;
use crate::context::Context;

/// Time between two updates of the live text.
const LIVE_INTERVAL: Duration = Duration::from_millis(150);

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
        futures_util::pin_mut!(reply);
        let mut shown_bytes = 0;
        loop {
            let pause = context.common.clock.sleep(LIVE_INTERVAL);
            match select(&mut reply, pause).await {
                Either::Left((result, _)) => return result,
                Either::Right(((), _)) => {}
            }
            let text = buffer.lock().unwrap_or_else(PoisonError::into_inner).text.clone();
            if text.len() == shown_bytes || call.conversation != Conversation::Main {
                continue;
            }
            shown_bytes = text.len();
            // Holds back the end of the text as long as it may be the beginning of a secret.
            let text = context.common.redactor.redact_growing(&text);
            let reply = LiveReply { conversation: call.conversation, turn: call.turn, attempt: call.attempt, text };
            // The reply itself is stored when it is complete, so a failure here costs nothing but the preview.
            if let Err(error) = self.live.show(context.log.session_id(), &reply).await {
                tracing::debug!(error = error_chain(&error), "live text was not shown");
            }
        }
    }
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
