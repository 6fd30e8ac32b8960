//! Messages, approvals and extensions: the answers of people to a session.

use crate::ports::SessionSummary;
use crate::state::SessionState;
use crate::{
    Admitted, Approver, Author, BudgetExtended, CallId, Conversation, EventBody, ExecutionName, MAX_PROMPT_BYTES,
    MicroDollars, PlanApproved, PlanId, PlanRejected, Principal, RunNumber, RunStarted, SessionId, SessionLog,
    SessionLogError, Status, ToolOutcome, ToolResult, UserMessage, WaitEnded, WaitOutcome, WaitReason, summary_of,
};

use super::admission::queue_reason;
use super::{CommandError, Conflict, InvalidInput, Services, execution};

/// Sends a message to a session, and returns the number of the run that gets it.
///
/// The model of an active run reads it with its next turn. It answers a question that waits; it rejects a plan that waits,
/// which the model then makes again; it starts the next run of a session whose run is over.
///
/// # Errors
/// [`InvalidInput`] for an empty or too long message; [`CommandError::NotAdmitted`] when the next run is refused.
pub async fn message(services: &Services, session: &SessionId, text: &str) -> Result<RunNumber, CommandError> {
    let text = check_text(services, text)?;
    // The run may end, or the next one start, between reading and appending; then the message goes to the run that is current
    // by then.
    let mut attempts = 0;
    loop {
        let log = services.log(session).await?;
        let over = log.state().status().is_some_and(Status::is_terminal);
        let sent =
            if over { start_next_with(services, log, &text).await } else { send_to_run(services, log, &text).await };
        attempts += 1;
        match sent {
            Err(CommandError::Conflict(_)) if attempts < MAX_ATTEMPTS => {}
            other => return other,
        }
    }
}

/// Maximum attempts to send a message before the conflict is reported.
const MAX_ATTEMPTS: u32 = 5;

/// Starts the next run of a session with a message.
async fn start_next_with(services: &Services, log: SessionLog, text: &str) -> Result<RunNumber, CommandError> {
    // Without an approved plan, the next run starts by planning.
    let conversation = if log.state().has_approved_plan() { Conversation::Main } else { Conversation::Plan };
    start_next(services, log, vec![user_message(conversation, text, None)]).await
}

/// Starts the next run of a session whose last one ended before the model had read every message. Does nothing when somebody
/// else started it, or when the quota does not allow it: the message then waits for the next run.
pub async fn start_follow_up(services: &Services, session: &SessionId) -> Result<(), crate::Unavailable> {
    let started = match services.log(session).await {
        Ok(log) => start_next(services, log, Vec::new()).await,
        Err(error) => Err(error),
    };
    match started {
        Err(CommandError::Unavailable(unavailable)) => Err(unavailable),
        Err(refused) => {
            tracing::info!(%session, reason = crate::error_chain(&refused), "no further run was started");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

async fn start_next(
    services: &Services,
    mut log: SessionLog,
    bodies: Vec<EventBody>,
) -> Result<RunNumber, CommandError> {
    let state = log.state();
    let Some(session) = state.session.clone() else {
        return Err(CommandError::NotFound(log.session_id().clone()));
    };
    if !state.status().is_some_and(Status::is_terminal) {
        return Err(Conflict::RunActive.into());
    }
    let limits = session.request.limits;
    let next = state.run().map_or(RunNumber(1), |run| run.number.next());
    let execution = ExecutionName { session: session.id.clone(), run: next };
    let admitted = services.admit(&session.owner, &execution, &session.request, limits.max_cost).await?;
    let queued = match admitted {
        Admitted::Now => None,
        Admitted::Queued => Some(queue_reason(&session.owner, &services.account(&session.owner).await?.queue)),
    };
    let started = RunStarted { root_span_id: services.ids.span(), limits, queued };
    // The summary is written first: unfinished sessions are found by their summaries, so a crash right after the append leaves
    // a run that `reconcile` finds and starts.
    if let Some(summary) = summary_of(log.state(), services.clock.now()) {
        services.sessions.update(&SessionSummary { run: next, status: Status::Queued, ..summary }).await?;
    }
    match log.start_run(started, bodies).await {
        Ok(run) => {
            let started = ExecutionName { run, ..execution.clone() };
            if started != execution {
                // Another run started and ended in between, so this one has another number than the reservation.
                services.release_unused(&session.owner, &execution).await?;
                services.acquire_slot(&session, &started, limits.max_cost).await?;
            }
            services.start_if_admitted(&session.owner, &started).await?;
            Ok(run)
        }
        Err(error @ SessionLogError::Illegal(_)) => {
            // If somebody else started the run with this number, the reservation is that run's.
            if services.log(&execution.session).await?.state().run_number(next).is_none() {
                services.release_unused(&session.owner, &execution).await?;
            }
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn send_to_run(services: &Services, mut log: SessionLog, text: &str) -> Result<RunNumber, CommandError> {
    let mut outcome = None;
    log.decide(|state| {
        let (bodies, ended) = message_bodies(state, text);
        outcome = ended;
        Ok::<_, CommandError>(bodies)
    })
    .await?;
    if let Some(outcome) = outcome {
        services.complete(log.state(), outcome).await?;
    }
    Ok(log.run())
}

fn message_bodies(state: &SessionState, text: &str) -> (Vec<EventBody>, Option<WaitOutcome>) {
    let reason = state.wait.as_ref().map(|wait| &wait.reason);
    let (mut bodies, outcome): (Vec<EventBody>, _) = match reason {
        Some(WaitReason::PlanApproval { plan }) => (
            vec![
                PlanRejected { plan: plan.clone(), message: Some(text.to_owned()) }.into(),
                user_message(Conversation::Plan, text, None),
            ],
            Some(WaitOutcome::PlanAnswered),
        ),
        Some(WaitReason::PlanQuestion { .. }) => {
            (vec![user_message(Conversation::Plan, text, None)], Some(WaitOutcome::PlanAnswered))
        }
        Some(WaitReason::Question { call, .. }) => {
            let turn = state.main.last_turn.as_ref().map(|turn| turn.turn).unwrap_or_default();
            let asked = state.main.open_calls().find(|open| open.id == *call);
            let tool = asked.map(|open| open.tool.clone()).unwrap_or_default();
            let answered = ToolResult::without_run(turn, call.clone(), tool, ToolOutcome::Ok, text);
            (vec![user_message(Conversation::Main, text, Some(call)), answered.into()], Some(WaitOutcome::Answered))
        }
        Some(WaitReason::Stuck { .. }) => {
            (vec![user_message(Conversation::Main, text, None)], Some(WaitOutcome::Answered))
        }
        // A message does not extend the budget: the run keeps waiting, and the model reads the message afterwards.
        Some(WaitReason::Budget { .. }) | None => (vec![user_message(Conversation::Main, text, None)], None),
    };
    if let Some(outcome) = outcome {
        bodies.push(WaitEnded { outcome }.into());
    }
    (bodies, outcome)
}

fn user_message(conversation: Conversation, text: &str, answers: Option<&CallId>) -> EventBody {
    UserMessage { conversation, author: Author::User, text: text.to_owned(), answers: answers.cloned() }.into()
}

fn check_text(services: &Services, text: &str) -> Result<String, CommandError> {
    if text.trim().is_empty() {
        return Err(InvalidInput::EmptyMessage.into());
    }
    if text.len() > MAX_PROMPT_BYTES || text.contains('\0') {
        return Err(InvalidInput::Message.into());
    }
    Ok(services.redactor.redact(&crate::name_invisible(text)).into_owned())
}

/// Approves the plan that waits for approval.
///
/// # Errors
/// [`Conflict::OtherPlan`] when `plan`, the plan that the person saw, is not the one that waits; [`Conflict::NoPlanWaiting`] when
/// none does.
pub async fn approve(services: &Services, session: &SessionId, plan: &PlanId) -> Result<(), CommandError> {
    let mut log = services.log(session).await?;
    log.decide(|state| {
        waiting_plan(state, session, Some(plan))?;
        let approved = PlanApproved { plan: plan.clone(), by: Approver::User };
        Ok::<_, CommandError>(vec![approved.into(), WaitEnded { outcome: WaitOutcome::Approved }.into()])
    })
    .await?;
    Ok(services.complete(log.state(), WaitOutcome::Approved).await?)
}

/// Rejects the plan that waits for approval. With a message the model makes another plan, without one the run ends.
///
/// # Errors
/// [`Conflict::NoPlanWaiting`] when no plan waits.
pub async fn reject(services: &Services, session: &SessionId, text: Option<&str>) -> Result<(), CommandError> {
    if let Some(text) = text {
        let log = services.log(session).await?;
        waiting_plan(log.state(), session, None)?;
        return message(services, session, text).await.map(drop);
    }
    let mut log = services.log(session).await?;
    log.decide(|state| {
        let plan = waiting_plan(state, session, None)?;
        let rejected = PlanRejected { plan, message: None };
        Ok::<_, CommandError>(vec![rejected.into(), WaitEnded { outcome: WaitOutcome::Rejected }.into()])
    })
    .await?;
    Ok(services.complete(log.state(), WaitOutcome::Rejected).await?)
}

/// Maximum of one extension: the same as the maximum limits of a new session.
pub(super) const MAX_EXTENSION: BudgetExtended =
    BudgetExtended { turns: 1000, cost: MicroDollars(1_000_000_000), minutes: 1440 };

/// Raises the limits of the latest run. A run that waits for that resumes.
///
/// # Errors
/// [`InvalidInput`] for an extension that is empty or too large; [`CommandError::NotAdmitted`] when the principal's daily limit
/// does not allow the additional cost.
pub async fn extend(services: &Services, session: &SessionId, more: BudgetExtended) -> Result<(), CommandError> {
    if more == BudgetExtended::default() {
        return Err(InvalidInput::EmptyExtension.into());
    }
    if more.turns > MAX_EXTENSION.turns || more.cost > MAX_EXTENSION.cost || more.minutes > MAX_EXTENSION.minutes {
        return Err(InvalidInput::Extension.into());
    }
    let mut log = services.log(session).await?;
    let active = !log.state().status().is_some_and(Status::is_terminal);
    let reservation = owner(log.state()).zip(execution(log.state()));
    let reservation = reservation.filter(|_| active && more.cost > MicroDollars(0));
    // Reserved before it is in the log: a crash in between reserves too much until the run is over, never too little.
    if let Some((owner, execution)) = &reservation {
        services.raise_reservation(owner, execution, more.cost).await?;
    }
    let mut ended = false;
    let decided = log
        .decide(|state| {
            let mut bodies: Vec<EventBody> = vec![more.into()];
            ended = matches!(state.wait.as_ref().map(|wait| &wait.reason), Some(WaitReason::Budget { .. }));
            if ended {
                bodies.push(WaitEnded { outcome: WaitOutcome::Extended }.into());
            }
            Ok::<_, CommandError>(bodies)
        })
        .await;
    if let (Err(_), Some((owner, execution))) = (&decided, &reservation) {
        services.lower_reservation(owner, execution, more.cost).await?;
    }
    decided?;
    if ended {
        services.complete(log.state(), WaitOutcome::Extended).await?;
    }
    Ok(())
}

fn owner(state: &SessionState) -> Option<Principal> {
    state.session.as_ref().map(|session| session.owner.clone())
}

/// The plan that waits for approval, which has to be `named` when that is given.
fn waiting_plan(state: &SessionState, session: &SessionId, named: Option<&PlanId>) -> Result<PlanId, Conflict> {
    let Some(WaitReason::PlanApproval { plan }) = state.wait.as_ref().map(|wait| &wait.reason) else {
        return Err(Conflict::NoPlanWaiting(session.clone()));
    };
    match named {
        Some(named) if named != plan => Err(Conflict::OtherPlan { named: named.clone(), waiting: plan.clone() }),
        Some(_) | None => Ok(plan.clone()),
    }
}
