//! The loop of model calls and tool calls: budgets, compaction, loop detection, stop reasons, and what a run reports about itself.

mod budgets;
mod cold_starts;
mod compaction;
mod loop_detection;
mod odd_replies;
mod planning;
mod refused_requests;
mod reporting;
mod stop_reasons;

use std::path::PathBuf;

use domain::UncheckedRequest;
use serde_json::Value;

use crate::support::{Home, SessionRun, repository, run_session};

fn checkout(home: &Home) -> PathBuf {
    repository(home, "project", &[("a.txt", "one\n"), ("AGENTS.md", "Be brief.\n")])
}

fn draft() -> UncheckedRequest {
    UncheckedRequest { prompt: "Add two and three to a.txt.".to_owned(), ..UncheckedRequest::default() }
}

/// Runs a session with a script on a small repository.
async fn run_script(home: &Home, script: &Value, environment: &[(&str, &str)]) -> SessionRun {
    run_session(home, &checkout(home), draft(), environment, script).await
}
