//! The end of a run: its last events and its root span. Shared by the step `finish` and the command `reconcile`.

use jiff::Timestamp;

use crate::span::attributes as key;
use crate::state::{RunState, SessionState};
use crate::{
    Attributes, EventBody, RunFinished, RunNumber, ScoreRecorded, ScoreSource, Seq, SessionError, Span, SpanKind,
    SpanOutcome, Status, Terminal, Verification, span::names,
};

/// The events that end the latest run, `run.finished` last; empty when it is over already, so that a retry adds nothing.
pub fn final_events(state: &SessionState, status: Status, failure: Option<&Terminal>) -> Vec<EventBody> {
    let Some(run) = state.run().filter(|run| !run.status.is_terminal()) else {
        return Vec::new();
    };
    let mut bodies: Vec<EventBody> = Vec::new();
    if let Some(failure) = failure {
        let remedy = failure.code.remedy().to_owned();
        bodies.push(SessionError { code: failure.code, message: failure.message.clone(), remedy }.into());
    }
    bodies.push(checks_score(run).into());
    let published = run.published.then_some(());
    let finished = RunFinished {
        status,
        summary: summary(state, status, failure),
        pr_url: published.and(state.pull_request.as_ref()).map(|opened| opened.pr_url.clone()),
        branch: published.and(state.branch.as_ref()).map(|branch| branch.branch.clone()),
        left_out: run.changeset.as_ref().map(|changeset| changeset.skipped.clone()).unwrap_or_default(),
        totals: run.totals(),
    };
    bodies.push(finished.into());
    bodies
}

/// How the project's checks ended on what is published: a fact beside the plan's confidence, which is the model's own claim.
fn checks_score(run: &RunState) -> ScoreRecorded {
    let (value, label) = match &run.verification {
        Some(verification) if verification.objection().is_none() => (Some(1.0), "passed"),
        Some(verification) if verification.newly_failed().next().is_some() => (Some(0.0), "failed"),
        Some(_) | None => (None, "not_run"),
    };
    ScoreRecorded {
        name: "checks_passed".to_owned(),
        value,
        label: Some(label.to_owned()),
        source: ScoreSource::Code,
        explanation: checks(run),
    }
}

fn checks(run: &RunState) -> String {
    run.verification.as_ref().map_or_else(|| "no check was run".to_owned(), Verification::summary)
}

fn summary(state: &SessionState, status: Status, failure: Option<&Terminal>) -> String {
    let run = state.run();
    let changed = run.and_then(|run| run.changeset.as_ref()).map(|changeset| {
        let files = changeset.files;
        let noun = if files == 1 { "file" } else { "files" };
        format!("{files} {noun} changed, +{} -{}", changeset.additions, changeset.deletions)
    });
    let plan = state.plan.as_ref().map(|plan| plan.content.title.clone()).unwrap_or_default();
    match status {
        Status::Done => {
            let confidence = state.plan.as_ref().map_or_else(String::new, |plan| {
                format!("; the plan's confidence was {}", plan.content.confidence.in_words())
            });
            format!("{plan}: {}; {}{confidence}", changed.unwrap_or_default(), run.map_or_else(String::new, checks))
        }
        Status::Nothing => match run.and_then(|run| run.changeset.as_ref()).filter(|set| !set.skipped.is_empty()) {
            Some(changeset) => {
                format!("None of the changed files could be published. Left out: {}", changeset.skipped.join("; "))
            }
            None => "The run ended without changing any file.".to_owned(),
        },
        Status::Rejected => "The plan was rejected.".to_owned(),
        Status::Expired if run.is_some_and(|run| run.last_step_started == Seq(0)) => {
            "The run was queued for too long and never started.".to_owned()
        }
        Status::Expired => "Nobody answered in time, and there was no work to publish.".to_owned(),
        Status::Cancelled if run.is_some_and(|run| run.published) => {
            "Cancelled; the work so far is on the branch.".to_owned()
        }
        Status::Cancelled => "Cancelled.".to_owned(),
        Status::Failed => match failure {
            Some(failure) => {
                let published = match run.is_some_and(|run| run.published) {
                    true => " What was done until then is on the branch.",
                    false => "",
                };
                let failed = failure.to_string();
                format!("{}.{published} {}", failed.trim_end_matches('.'), failure.code.remedy())
            }
            None => "The run failed.".to_owned(),
        },
        Status::Queued
        | Status::Preparing
        | Status::Planning
        | Status::Working
        | Status::Waiting
        | Status::AwaitingUser
        | Status::Verifying
        | Status::Publishing => String::new(),
    }
}

/// The root span of a run that is over; none while it is not.
///
/// Only the process that appended `run.finished` emits it: the append succeeds once, so the span is emitted at most once.
pub fn root_span(state: &SessionState, run: RunNumber, now: Timestamp) -> Option<Span> {
    let session = state.session.as_ref()?;
    let run = state.run_number(run)?;
    let finished = run.finished.as_ref()?;
    let id = session.id.to_string();
    let output = finished.pr_url.clone().unwrap_or_else(|| finished.summary.clone());
    let mut attributes = Attributes::from([
        (key::OPERATION, "invoke_agent".into()),
        (key::AGENT_NAME, "tiny-backspace".into()),
        (key::CONVERSATION, id.clone().into()),
        (key::SESSION, id.into()),
        (key::REQUEST_MODEL, session.request.model.clone().into()),
        (key::OPENINFERENCE_KIND, "AGENT".into()),
        (key::LANGSMITH_KIND, "chain".into()),
        (key::INPUT, session.request.prompt.clone().into()),
        (key::OUTPUT, output.into()),
        (key::RUN, run.number.0.into()),
        (key::VERDICT, finished.status.name().into()),
    ]);
    if let Some(url) = &finished.pr_url {
        attributes.insert(key::PULL_REQUEST, url.clone().into());
    }
    let failed = finished.status == Status::Failed;
    if failed {
        let code = run.failure.as_ref().map_or("Internal", |(code, _)| code.name());
        attributes.insert(key::ERROR_TYPE, code.into());
    }
    let first = run.root_span == session.trace.root_span_id;
    Some(Span {
        trace_id: session.trace.trace_id.clone(),
        span_id: run.root_span.clone(),
        parent: (!first).then(|| session.trace.root_span_id.clone()),
        name: names::RUN.to_owned(),
        kind: SpanKind::Internal,
        start: run.started,
        end: now,
        attributes,
        outcome: if failed { SpanOutcome::Error(finished.summary.clone()) } else { SpanOutcome::Ok },
    })
}
