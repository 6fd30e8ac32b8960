//! Starts sessions.

use crate::admission::NotAdmitted;
use crate::ports::AppendError;
use crate::state::SessionState;
use crate::{
    Digest256, Event, EventBody, ExecutionName, IdempotencyKey, KeyBinding, Principal, Request, RunNumber, RunStarted,
    Seq, Session, SessionCreated, SessionId, Setup, TraceContext,
};

use super::{CommandError, Conflict, InvalidInput, Services};

/// The session to start.
#[derive(Debug, Clone)]
pub struct Start {
    pub owner: Principal,
    pub request: Request,
    pub setup: Setup,
    /// With a key, the same request again leads to the same session.
    pub key: Option<IdempotencyKey>,
}

/// A session that was started.
#[derive(Debug, Clone)]
pub struct Started {
    pub session: Session,
    pub origin: Origin,
}

/// Which request started a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This one.
    New,
    /// An earlier one, with the same idempotency key.
    Replayed,
}

/// Admits a session and starts its first run, or queues it.
///
/// The order is: reservation, log, record, workflow; the last two are the work of [`Services::advance`]. A crash
///
/// - before the log leaves a reservation without a run, which is discarded once it is old;
/// - after it leaves a run that the reservation leads to: [`Services::advance_outstanding`] completes its start, and so does the
///   same request with the same key.
///
/// # Errors
/// [`CommandError::NotAdmitted`] when the quota does not allow the session; [`CommandError::KeyReused`] when the idempotency key
/// came with another request, [`CommandError::KeyOfDeleted`] when its session was deleted.
pub async fn start(services: &Services, start: Start) -> Result<Started, CommandError> {
    // Checked before the key is bound, so that a request that is always refused leaves nothing behind.
    if !services.account(&start.owner).await?.quota.allows_repository(&start.request.repo_url) {
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
    let (owner, repo_url, reserved) = (&start.owner, &start.request.repo_url, start.request.limits.max_cost);
    let reservation = services.reserve(owner, &execution, repo_url, reserved).await?;
    let queued = services.queue_reason(&reservation).await?;
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
        // Another request with the same key appended first.
        Err(AppendError::Conflict) if start.key.is_some() => {
            let opening = services.event_log.read(&session.id, Seq(0), OPENING).await?.events;
            let session = fixed(&opening).ok_or(Conflict::LogUnreadable(session.id))?;
            return Ok(Started { session, origin: Origin::Replayed });
        }
        Err(AppendError::Conflict) => {
            return Err(Conflict::LogExists(session.id).into());
        }
        Err(AppendError::Unavailable(unavailable)) => return Err(unavailable.into()),
    }
    services.advance(&execution).await?;
    Ok(Started { session, origin: Origin::New })
}

/// What an idempotency key is bound to.
enum Claim {
    /// A session that exists.
    Taken(Box<Session>),
    /// The id of a session that does not exist yet.
    Ours(SessionId),
}

async fn claim(services: &Services, start: &Start, key: &IdempotencyKey) -> Result<Claim, CommandError> {
    let request = serde_json::to_vec(&start.request).map_err(InvalidInput::Unserializable)?;
    let wanted = KeyBinding { request: Digest256::of(&request), session: services.ids.session() };
    let bound = services.sessions.bind_key(&start.owner, key, &wanted).await?;
    if bound.request != wanted.request {
        return Err(CommandError::KeyReused);
    }
    if bound.session != wanted.session && services.sessions.is_deleted(&bound.session).await? {
        return Err(CommandError::KeyOfDeleted(bound.session));
    }
    let opening = services.event_log.read(&bound.session, Seq(0), OPENING).await?.events;
    let Some(session) = fixed(&opening) else { return Ok(Claim::Ours(bound.session)) };
    // An earlier request with the key may have crashed between log and record, or record and workflow.
    services.advance(&ExecutionName { session: session.id.clone(), run: RunNumber(1) }).await?;
    Ok(Claim::Taken(Box::new(session)))
}

/// The session, from the first events of its log.
fn fixed(opening: &[Event]) -> Option<Session> {
    SessionState::of(opening).session.as_deref().cloned()
}

/// Number of events in [`opening`].
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
        command: None,
        trace_id: session.trace.trace_id.clone(),
        span_id: root.clone(),
        body,
    };
    bodies.into_iter().zip(1..).map(event).collect()
}
