//! Starts sessions and runs.

use crate::ports::SessionSummary;
use crate::{
    Event, ExecutionName, MicroDollars, Principal, Request, RunNumber, RunStarted, Seq, Session, SessionCreated, Setup,
    Status, TraceContext,
};

use super::{CommandError, Desk};

/// What a new session is made of.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who asks.
    pub owner: Principal,
    /// What was asked, checked.
    pub request: Request,
    /// What its calls to the model will have in common.
    pub setup: Setup,
}

/// Admits a session and starts its first run.
///
/// The log comes first, then the record, then the workflow. A crash before the record leaves a log that nobody was told of and
/// nothing points to; after it, `reconcile` finishes starting.
pub async fn start(desk: &Desk, start: Start) -> Result<Session, CommandError> {
    let now = desk.clock.now();
    let mut request = start.request;
    request.prompt = desk.masker.mask(&request.prompt).into_owned();
    let session = Session {
        id: desk.ids.session(),
        owner: start.owner,
        created_at: now,
        request,
        trace: TraceContext { trace_id: desk.ids.trace(), root_span_id: desk.ids.span() },
        setup: start.setup,
    };
    let summary = SessionSummary {
        id: session.id.clone(),
        owner: session.owner.clone(),
        created_at: now,
        updated_at: now,
        repo_url: session.request.repo_url.clone(),
        title: title(&session.request.prompt),
        run: RunNumber(1),
        status: Status::Queued,
        cost: MicroDollars::default(),
        pr_url: None,
    };
    let root = session.trace.root_span_id.clone();
    let bodies = [
        SessionCreated { session: session.clone() }.into(),
        RunStarted { root_span_id: root.clone(), limits: session.request.limits }.into(),
    ];
    let batch: Vec<Event> = bodies
        .into_iter()
        .zip(1..)
        .map(|(body, seq)| Event {
            seq: Seq(seq),
            at: now,
            run: RunNumber(1),
            writer: None,
            trace_id: session.trace.trace_id.clone(),
            span_id: root.clone(),
            body,
        })
        .collect();
    desk.log.append(&session.id, Seq(0), &batch).await.map_err(|error| match error {
        crate::ports::AppendError::Conflict => CommandError::Conflict("the session's log exists already".to_owned()),
        crate::ports::AppendError::Unavailable(unavailable) => CommandError::Unavailable(unavailable),
    })?;
    desk.sessions.create(&session, &summary).await?;
    desk.workflows.start(&ExecutionName { session: session.id.clone(), run: RunNumber(1) }).await?;
    Ok(session)
}

/// The first line of a prompt, for lists.
fn title(prompt: &str) -> String {
    let line = prompt.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    line.chars().take(80).collect()
}
