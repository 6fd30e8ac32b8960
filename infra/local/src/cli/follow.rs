//! Shows a session while it goes on.

use std::time::Duration;

use domain::ports::EventLog as _;
use domain::{Event, EventBody, Seq, SessionId, ToolOutcome, WaitReason, frame};

use super::output::Output;
use crate::driver::{self, Stopped};
use crate::world::World;

/// Drives a session and shows what happens after `seen`, until its run ends or waits. None when another process has it.
pub(super) async fn drive(
    world: &World,
    interpreter: &std::sync::Arc<asl::Interpreter>,
    session: &SessionId,
    mut seen: Seq,
    output: &Output,
) -> anyhow::Result<Option<Stopped>> {
    let mut last = None;
    loop {
        let Some(lock) = world.locks.take_to_drive(session).await? else { return Ok(last) };
        let driving = driver::drive(world, interpreter, session);
        tokio::pin!(driving);
        let stopped = loop {
            let more = world.store.wait(session, seen, Duration::from_secs(1));
            tokio::select! {
                stopped = &mut driving => break stopped,
                waited = more => {
                    waited?;
                    seen = show_new(world, session, seen, output).await?;
                }
            }
        };
        seen = show_new(world, session, seen, output).await?;
        let stopped = stopped?;
        drop(lock);
        last = Some(stopped);
        if !driver::is_due_again(world, session, stopped).await? {
            return Ok(last);
        }
    }
}

async fn show_new(world: &World, session: &SessionId, seen: Seq, output: &Output) -> anyhow::Result<Seq> {
    let mut last = seen;
    for event in domain::read_all(&world.store, session, seen).await? {
        show(session, &event, output);
        last = event.seq;
    }
    Ok(last)
}

/// Shows one event.
pub(super) fn show(session: &SessionId, event: &Event, output: &Output) {
    let frame = frame(session, event);
    output.value(&frame);
    if let Some(line) = line(event, frame["message"].as_str().unwrap_or_default()) {
        output.tell(&line);
    }
}

/// What a person is told of an event, if anything.
fn line(event: &Event, message: &str) -> Option<String> {
    let text = match &event.body {
        EventBody::StatusChanged(changed) => format!("== {}", changed.status),
        EventBody::SandboxCreated(_)
        | EventBody::SandboxLost(_)
        | EventBody::CloneProgress(_)
        | EventBody::RepositorySurveyed(_)
        | EventBody::InstructionsRead(_)
        | EventBody::ModelRetrying(_)
        | EventBody::BudgetNearing(_)
        | EventBody::BudgetExhausted(_)
        | EventBody::AgentStuck(_)
        | EventBody::ContextChanged(_)
        | EventBody::FileChanged(_)
        | EventBody::ChangesetCollected(_)
        | EventBody::BranchPublished(_)
        | EventBody::PullRequestOpened(_)
        | EventBody::PullRequestUpdated(_)
        | EventBody::StepFailed(_)
        | EventBody::SessionFailed(_) => format!("   {message}"),
        EventBody::TodoUpdated(updated) => todo(&updated.items),
        EventBody::PlanCreated(created) => plan(&created.content),
        EventBody::AiMessage(_) => format!(" * {message}"),
        EventBody::ToolCalled(called) => format!(" > {} {}", called.tool, argument(&called.input)),
        EventBody::ToolAnswered(answered) => match answered.outcome {
            ToolOutcome::Ok => return None,
            ToolOutcome::Failed => format!(" ! {message}"),
            ToolOutcome::CutOff => " ! cut off".to_owned(),
        },
        EventBody::WaitStarted(started) => waiting(&started.reason),
        EventBody::RunFinished(finished) => format!("== {}: {}", finished.status, finished.summary),
        _ => return None,
    };
    Some(text)
}

fn argument(input: &serde_json::Value) -> String {
    let of = |name: &str| input[name].as_str();
    let operation = of("path").map(|path| format!("{} {path}", of("command").unwrap_or_default()));
    let text =
        operation.or_else(|| ["command", "pattern", "question"].iter().find_map(|name| of(name)).map(str::to_owned));
    let text = text.unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let mut shown: String = first.chars().take(110).collect();
    if shown.len() < text.trim_end().len() {
        shown.push('…');
    }
    shown
}

fn todo(items: &[domain::Todo]) -> String {
    let lines: Vec<String> = items
        .iter()
        .map(|item| {
            let mark = match item.status {
                domain::TodoStatus::Pending => ' ',
                domain::TodoStatus::InProgress => '~',
                domain::TodoStatus::Completed => 'x',
            };
            format!("   [{mark}] {}", item.content)
        })
        .collect();
    lines.join("\n")
}

fn plan(plan: &domain::Plan) -> String {
    let mut text = format!("   Plan: {}", plan.title);
    for (step, number) in plan.steps.iter().zip(1..) {
        text.push_str(&format!("\n     {number}. {step}"));
    }
    let confidence = plan.confidence.value * 100.0;
    text.push_str(&format!("\n   Confidence (the model about itself): {confidence:.0} %, {}", plan.confidence.reason));
    text
}

fn waiting(reason: &WaitReason) -> String {
    match reason {
        WaitReason::PlanApproval { plan } => format!(" ? Approve the plan ({plan})?"),
        WaitReason::PlanQuestion { question } | WaitReason::Question { question, .. } => format!(" ? {question}"),
        WaitReason::Budget { limit, .. } => format!(" ? Budget: {limit}"),
        WaitReason::Stuck { reason } => format!(" ? Stuck: {reason}"),
    }
}

/// How a waiting session is answered, in commands.
pub(super) fn how_to_answer(session: &SessionId, reason: &WaitReason) -> String {
    let backspace = format!("backspace sessions {{}} {session}");
    let command = |name: &str, rest: &str| format!("  {}{rest}", backspace.replace("{}", name));
    let cancel = command("cancel", "");
    match reason {
        WaitReason::PlanApproval { plan } => [
            command("approve", &format!(" --plan {plan}")),
            command("message", " \"what should be different\""),
            command("reject", ""),
        ]
        .join("\n"),
        WaitReason::PlanQuestion { .. } | WaitReason::Question { .. } => {
            [command("message", " \"your answer\""), cancel].join("\n")
        }
        WaitReason::Budget { .. } => [command("extend", " --turns 20 --cost 5 --minutes 30"), cancel].join("\n"),
        WaitReason::Stuck { .. } => [command("message", " \"a hint\""), cancel].join("\n"),
    }
}
