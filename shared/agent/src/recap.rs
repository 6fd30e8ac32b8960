//! A recap of a conversation from the log, for a compaction without a note by the model.

use std::fmt::Write as _;

use domain::ToolOutcome;
use domain::transcript::{Recap, RecapCall};

/// The model's last messages, its last tool calls and their results, since the conversation was opened.
pub(crate) fn written(recap: &Recap) -> String {
    let mut text =
        "The previous conversation left no note. This recap of it comes from the session's log. Check the files before \
                    you rely on it."
            .to_owned();
    if !recap.messages.is_empty() {
        text.push_str("\n\nYour last messages:\n");
        for message in &recap.messages {
            let _ = write!(text, "\n- {message}");
        }
    }
    for message in &recap.conflicts {
        let _ = write!(text, "\n\nYou received this message: {message}");
    }
    if !recap.calls.is_empty() {
        text.push_str("\n\nYour last tool calls, oldest first:\n");
        for RecapCall { line, outcome } in &recap.calls {
            let outcome = match outcome {
                ToolOutcome::Ok => "ok",
                ToolOutcome::Failed => "failed",
                ToolOutcome::CutOff => "cut off",
            };
            let _ = write!(text, "\n- {line}: {outcome}");
        }
        text.push_str("\n\nTheir latest results:\n");
        for (call, output) in &recap.results {
            let _ = write!(text, "\n{call}:\n{}", crate::briefing::untrusted(output));
        }
    }
    text
}
