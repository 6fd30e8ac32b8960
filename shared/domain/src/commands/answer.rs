//! What people say to a session.

use crate::ports::SessionSummary;
use crate::state::SessionState;
use crate::{
    Admitted, Approver, Author, BudgetExtended, CallId, Conversation, EventBody, ExecutionName, MAX_PROMPT_BYTES,
    MicroDollars, PlanApproved, PlanId, PlanRejected, Principal, RunNumber, RunStarted, SessionId, SessionLog,
    SessionLogError, Status, ToolOutcome, ToolResult, UserMessage, WaitEnded, WaitOutcome, WaitReason, summary_of,
};

use super::admission::queue_reason;
use super::{CommandError, Conflict, InvalidInput, Services, execution};

/// Says something to a session.
///
/// While it works the model reads it with its next turn. A question that waits is answered by it; a plan that waits is
/// made again with it; a finished session starts its next run with it. Answers the number of the run it goes to.
pub async fn message(services: &Services, session: &SessionId, text: &str) -> Result<RunNumber, CommandError> {
    let text = check_text(services, text)?;
    // A run may end, or the next one begin, while this is written; then it goes to the run that is there by then.
    let mut tries = 0;
    loop {
        let log = services.log(session).await?;
        let over = log.state().status().is_some_and(Status::is_terminal);
        let said = if over { start_with(services, log, &text).await } else { say(services, log, &text).await };
        tries += 1;
        match said {
            Err(CommandError::Conflict(_)) if tries < MAX_RETRIES => {}
            other => return other,
        }
    }
}

/// So often a message finds that the run it was meant for is over by now.
const MAX_RETRIES: u32 = 5;

/// Starts the next run of a finished session with a message.
async fn start_with(services: &Services, log: SessionLog, text: &str) -> Result<RunNumber, CommandError> {
    // Without a plan that was approved it is the plan that has to be made (again).
    let conversation = if log.state().has_approved_plan() { Conversation::Main } else { Conversation::Plan };
    start_next(services, log, vec![said(conversation, text, None)]).await
}

/// Starts the next run of a session whose last one has ended before it had read everything that was said. Does nothing when
/// somebody else started it, or its principal's limits are reached: the message then waits for the next one.
pub async fn follow_on(services: &Services, session: &SessionId) -> Result<(), crate::Unavailable> {
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
    // Lists come first: by them a session that is not over is found and driven, also after a crash right here.
    if let Some(summary) = summary_of(log.state(), services.clock.now()) {
        services.sessions.update(&SessionSummary { run: next, status: Status::Queued, ..summary }).await?;
    }
    match log.start_run(started, bodies).await {
        Ok(run) => {
            let started = ExecutionName { run, ..execution.clone() };
            if started != execution {
                // Others had a run in between; the place is for the one that came to be.
                services.release_unused(&session.owner, &execution).await?;
                services.has_slot(&session, &started, limits.max_cost).await?;
            }
            services.start_if_admitted(&session.owner, &started).await?;
            Ok(run)
        }
        Err(error @ SessionLogError::Illegal(_)) => {
            // Somebody else has started this very run, or it is not there and will not be.
            if services.log(&execution.session).await?.state().run_number(next).is_none() {
                services.release_unused(&session.owner, &execution).await?;
            }
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn say(services: &Services, mut log: SessionLog, text: &str) -> Result<RunNumber, CommandError> {
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
                said(Conversation::Plan, text, None),
            ],
            Some(WaitOutcome::PlanAnswered),
        ),
        Some(WaitReason::PlanQuestion { .. }) => {
            (vec![said(Conversation::Plan, text, None)], Some(WaitOutcome::PlanAnswered))
        }
        Some(WaitReason::Question { call, .. }) => {
            let turn = state.main.last_turn.as_ref().map(|turn| turn.turn).unwrap_or_default();
            let asked = state.main.open_calls().find(|open| open.id == *call);
            let tool = asked.map(|open| open.tool.clone()).unwrap_or_default();
            let answered = ToolResult::without_run(turn, call.clone(), tool, ToolOutcome::Ok, text);
            (vec![said(Conversation::Main, text, Some(call)), answered.into()], Some(WaitOutcome::Answered))
        }
        Some(WaitReason::Stuck { .. }) => (vec![said(Conversation::Main, text, None)], Some(WaitOutcome::Answered)),
        // The question is the budget; a message waits with the run until that is extended.
        Some(WaitReason::Budget { .. }) | None => (vec![said(Conversation::Main, text, None)], None),
    };
    if let Some(outcome) = outcome {
        bodies.push(WaitEnded { outcome }.into());
    }
    (bodies, outcome)
}

fn said(conversation: Conversation, text: &str, answers: Option<&CallId>) -> EventBody {
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

/// Approves the plan that waits. `plan` names the plan that was seen.
pub async fn approve(services: &Services, session: &SessionId, plan: &PlanId) -> Result<(), CommandError> {
    let mut log = services.log(session).await?;
    log.decide(|state| {
        expect_plan(state, session, Some(plan))?;
        let approved = PlanApproved { plan: plan.clone(), by: Approver::User };
        Ok::<_, CommandError>(vec![approved.into(), WaitEnded { outcome: WaitOutcome::Approved }.into()])
    })
    .await?;
    Ok(services.complete(log.state(), WaitOutcome::Approved).await?)
}

/// Rejects the plan that waits: with a message it is made again, without one the run ends.
pub async fn reject(services: &Services, session: &SessionId, text: Option<&str>) -> Result<(), CommandError> {
    if let Some(text) = text {
        let log = services.log(session).await?;
        expect_plan(log.state(), session, None)?;
        return message(services, session, text).await.map(drop);
    }
    let mut log = services.log(session).await?;
    log.decide(|state| {
        let plan = expect_plan(state, session, None)?;
        let rejected = PlanRejected { plan, message: None };
        Ok::<_, CommandError>(vec![rejected.into(), WaitEnded { outcome: WaitOutcome::Rejected }.into()])
    })
    .await?;
    Ok(services.complete(log.state(), WaitOutcome::Rejected).await?)
}

/// What a run can be extended by at a time: the limits of a new session.
pub(super) const MAX_EXTENSION: BudgetExtended =
    BudgetExtended { turns: 1000, cost: MicroDollars(1_000_000_000), minutes: 1440 };

/// Lets a run use more. A run that waits for that goes on.
pub async fn extend(services: &Services, session: &SessionId, more: BudgetExtended) -> Result<(), CommandError> {
    if more == BudgetExtended::default() {
        return Err(InvalidInput::EmptyExtension.into());
    }
    if more.turns > MAX_EXTENSION.turns || more.cost > MAX_EXTENSION.cost || more.minutes > MAX_EXTENSION.minutes {
        return Err(InvalidInput::Extension.into());
    }
    let mut log = services.log(session).await?;
    let goes_on = !log.state().status().is_some_and(Status::is_terminal);
    let set_aside = owner(log.state()).zip(execution(log.state()));
    let set_aside = set_aside.filter(|_| goes_on && more.cost > MicroDollars(0));
    if let Some((owner, execution)) = &set_aside {
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
    if let (Err(_), Some((owner, execution))) = (&decided, &set_aside) {
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

/// The plan that waits for approval, which has to be the one that was named.
fn expect_plan(state: &SessionState, session: &SessionId, named: Option<&PlanId>) -> Result<PlanId, Conflict> {
    let Some(WaitReason::PlanApproval { plan }) = state.wait.as_ref().map(|wait| &wait.reason) else {
        return Err(Conflict::NoPlanWaiting(session.clone()));
    };
    match named {
        Some(named) if named != plan => Err(Conflict::OtherPlan { named: named.clone(), waiting: plan.clone() }),
        Some(_) | None => Ok(plan.clone()),
    }
}
