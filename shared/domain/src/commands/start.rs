//! Starts sessions and runs.

use crate::ports::AppendError;
use crate::state::SessionState;
use crate::{
    Admitted, Digest256, Event, EventBody, ExecutionName, IdempotencyKey, KeyBinding, NotAdmitted, Principal, Request,
    RunNumber, RunStarted, Seq, Session, SessionCreated, SessionId, Setup, TraceContext, summary_of,
};

use super::admission::queue_reason;
use super::{CommandError, Conflict, InvalidInput, Services};

/// What a new session is made of.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who asks.
    pub owner: Principal,
    /// What was asked, checked.
    pub request: Request,
    /// What its calls to the model will have in common.
    pub setup: Setup,
    /// With a key, the same request again is the same session.
    pub key: Option<IdempotencyKey>,
}

/// A session that was asked for.
#[derive(Debug, Clone)]
pub struct Started {
    /// The session.
    pub session: Session,
    /// Whether it was there already: the request had been made before, with the same key.
    pub origin: Origin,
}

/// Whether a request made a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It did.
    New,
    /// The same request had made it before.
    Replayed,
}

/// Admits a session and starts its first run, or has it wait for a place.
///
/// First the place in its owner's ledger, then the log, the record, the workflow. A crash before the log leaves a place
/// that admission gives away later; a crash before the record leaves a log that nobody was told of (or that the same key finds
/// again); after it, `reconcile` finishes starting.
pub async fn start(services: &Services, start: Start) -> Result<Started, CommandError> {
    // Before a key is bound to it: what is refused for good leaves nothing.
    if !services.account(&start.owner).await?.quota.covers(&start.request.repo_url) {
        return Err(NotAdmitted::Repository(start.request.repo_url).into());
    }
    let id = match &start.key {
        None => services.ids.session(),
        Some(key) => match claim(services, &start, key).await? {
            Claim::Taken(session) => return Ok(Started { session: *session, origin: Origin::Replayed }),
            Claim::Ours(id) => id,
        },
    };
    let execution = ExecutionName { session: id.clone(), run: RunNumber(1) };
    let admitted = services.admit(&start.owner, &execution, &start.request, start.request.limits.max_cost).await?;
    let queued = match admitted {
        Admitted::Now => None,
        Admitted::Queued => Some(queue_reason(&start.owner, &services.account(&start.owner).await?.queue)),
    };
    let now = services.clock.now();
    let mut request = start.request;
    request.prompt = services.redactor.redact(&request.prompt).into_owned();
    let session = Session {
        id,
        owner: start.owner,
        created_at: now,
        request,
        trace: TraceContext { trace_id: services.ids.trace(), root_span_id: services.ids.span() },
        setup: start.setup,
    };
    let batch = opening(&session, queued);
    match services.event_log.append(&session.id, Seq(0), &batch).await {
        Ok(()) => {}
        // The same key at the same moment: the other request made it.
        Err(AppendError::Conflict) if start.key.is_some() => {
            let opening = services.event_log.read(&session.id, Seq(0), OPENING).await?;
            let session = fixed(&opening).ok_or(Conflict::LogUnreadable(session.id))?;
            return Ok(Started { session, origin: Origin::Replayed });
        }
        Err(AppendError::Conflict) => {
            return Err(Conflict::LogExists(session.id).into());
        }
        Err(AppendError::Unavailable(unavailable)) => return Err(unavailable.into()),
    }
    record(services, &session, &batch).await?;
    services.start_if_admitted(&session.owner, &execution).await?;
    Ok(Started { session, origin: Origin::New })
}

/// What a key stands for.
enum Claim {
    /// A session that exists.
    Taken(Box<Session>),
    /// A session that is to be made, with this id.
    Ours(SessionId),
}

async fn claim(services: &Services, start: &Start, key: &IdempotencyKey) -> Result<Claim, CommandError> {
    let request = serde_json::to_vec(&start.request).map_err(InvalidInput::Unserializable)?;
    let wanted = KeyBinding { request: Digest256::of(&request), session: services.ids.session() };
    let bound = services.sessions.bind_key(&start.owner, key, &wanted).await?;
    if bound.request != wanted.request {
        return Err(CommandError::KeyReused);
    }
    let opening = services.event_log.read(&bound.session, Seq(0), OPENING).await?;
    let Some(session) = fixed(&opening) else { return Ok(Claim::Ours(bound.session)) };
    // A crash may have left a log without a record.
    record(services, &session, &opening).await?;
    Ok(Claim::Taken(Box::new(session)))
}

/// What is fixed about a session, from the beginning of its log.
fn fixed(opening: &[Event]) -> Option<Session> {
    SessionState::of(opening).session.as_deref().cloned()
}

/// Adds the record of a session whose log has begun.
async fn record(services: &Services, session: &Session, opening: &[Event]) -> Result<(), CommandError> {
    if let Some(summary) = summary_of(&SessionState::of(opening), session.created_at) {
        services.sessions.create(session, &summary).await?;
    }
    Ok(())
}

/// How many events a session begins with.
const OPENING: usize = 2;

/// The first events of a session.
fn opening(session: &Session, queued: Option<String>) -> Vec<Event> {
    let root = session.trace.root_span_id.clone();
    let started = RunStarted { root_span_id: root.clone(), limits: session.request.limits, queued };
    let bodies = [SessionCreated { session: session.clone() }.into(), started.into()];
    let event = |(body, seq): (EventBody, u64)| Event {
        seq: Seq(seq),
        at: session.created_at,
        run: RunNumber(1),
        writer: None,
        trace_id: session.trace.trace_id.clone(),
        span_id: root.clone(),
        body,
    };
    bodies.into_iter().zip(1..).map(event).collect()
}
