//! Messages and approvals: the answers of people to a session.

use crate::state::SessionState;
use crate::{
    Approver, Author, CallId, CommandKey, Conversation, EventBody, IdempotencyKey, MAX_PROMPT_BYTES, PlanApproved,
    PlanId, PlanRejected, RunNumber, SessionId, SessionLog, Status, ToolOutcome, ToolResult, UserMessage, WaitEnded,
    WaitOutcome, WaitReason,
};

use super::follow_up::start_next_with;
use super::{CommandError, Conflict, InvalidInput, Services, command_key};

/// Sends a message to a session, and returns the number of the run that gets it.
///
/// The model of an active run reads it with its next turn. It answers a question that waits; it rejects a plan that waits,
/// which the model then makes again; it starts the next run of a session whose run is over.
///
/// # Errors
/// [`InvalidInput`] for an empty or too long message; [`CommandError::NotAdmitted`] when the next run is refused.
pub async fn message(
    services: &Services,
    session: &SessionId,
    text: &str,
    key: Option<&IdempotencyKey>,
) -> Result<RunNumber, CommandError> {
    send(services, session, text, command_key(key, "message", text)).await
}

async fn send(
    services: &Services,
    session: &SessionId,
    text: &str,
    command: Option<CommandKey>,
) -> Result<RunNumber, CommandError> {
    let text = check_text(services, text)?;
    // The run may end, or the next one start, between reading and appending; then the message goes to the run that is current
    // by then.
    let mut attempts = 0;
    loop {
        let log = match services.log_for(session, command.clone()).await? {
            Ok(log) => log,
            Err(recorded) => return Ok(recorded),
        };
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

pub(super) fn user_message(conversation: Conversation, text: &str, answers: Option<&CallId>) -> EventBody {
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
pub async fn approve(
    services: &Services,
    session: &SessionId,
    plan: &PlanId,
    key: Option<&IdempotencyKey>,
) -> Result<(), CommandError> {
    let opened = services.log_for(session, command_key(key, "approve", plan.as_str())).await?;
    let Ok(mut log) = opened else { return Ok(()) };
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
pub async fn reject(
    services: &Services,
    session: &SessionId,
    text: Option<&str>,
    key: Option<&IdempotencyKey>,
) -> Result<(), CommandError> {
    let command = match text {
        Some(text) => command_key(key, "reject with a message", text),
        None => command_key(key, "reject", ""),
    };
    let Ok(mut log) = services.log_for(session, command.clone()).await? else { return Ok(()) };
    if let Some(text) = text {
        waiting_plan(log.state(), session, None)?;
        return send(services, session, text, command).await.map(drop);
    }
    log.decide(|state| {
        let plan = waiting_plan(state, session, None)?;
        let rejected = PlanRejected { plan, message: None };
        Ok::<_, CommandError>(vec![rejected.into(), WaitEnded { outcome: WaitOutcome::Rejected }.into()])
    })
    .await?;
    Ok(services.complete(log.state(), WaitOutcome::Rejected).await?)
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
