//! The loop's sense: it ends in time, gets out of circles, goes on where a conversation does not fit any more, and says what
//! is so.

mod budgets;
mod compaction;
mod honesty;
mod loops;
mod stops;

use std::path::PathBuf;

use domain::UncheckedRequest;
use serde_json::Value;

use crate::support::{Home, Played, play, repository};

fn checkout(home: &Home) -> PathBuf {
    repository(home, "project", &[("a.txt", "one\n"), ("AGENTS.md", "Be brief.\n")])
}

fn draft() -> UncheckedRequest {
    UncheckedRequest { prompt: "Add two and three to a.txt.".to_owned(), ..UncheckedRequest::default() }
}

/// Plays a script on a small repository.
async fn played(home: &Home, script: &Value, more: &[(&str, &str)]) -> Played {
    play(home, &checkout(home), draft(), more, script).await
}
