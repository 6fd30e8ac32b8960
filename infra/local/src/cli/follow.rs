//! Shows a session while it goes on.

use std::borrow::Cow;
use std::time::Duration;

use domain::ports::EventLog as _;
use domain::text::shorten;
use domain::{Seq, SessionId, WaitReason, public_event};
use serde_json::Value;

use super::output::Output;
use crate::driver::{self, Stopped, WhileWaiting};
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
        let driving = driver::drive(world, interpreter, session, WhileWaiting::Stop);
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
        show(&public_event(session, &event), output);
        last = event.seq;
    }
    Ok(last)
}

/// Shows one frame.
pub(super) fn show(frame: &Value, output: &Output) {
    output.value(frame);
    if let Some(line) = line(frame) {
        output.tell(&line);
    }
}

/// What a person is told of a frame, if anything.
fn line(frame: &Value) -> Option<String> {
    let of = |name: &str| frame[name].as_str().unwrap_or_default();
    let message = of("message");
    Some(match of("kind") {
        "session.status" => format!("== {}", of("status")),
        "run.started" if !frame["queued"].is_null() => format!("== {message}"),
        "sandbox.created"
        | "sandbox.lost"
        | "clone.progress"
        | "repository.surveyed"
        | "instructions.read"
        | "model.retrying"
        | "budget.nearing"
        | "budget.exhausted"
        | "agent.stuck"
        | "context.changed"
        | "file.changed"
        | "changeset.collected"
        | "branch.published"
        | "pr.opened"
        | "pr.updated"
        | "step.failed"
        | "session.error" => {
            format!("   {message}")
        }
        "todo.updated" => todo(&frame["items"]),
        "plan.created" => plan(&frame["content"], message),
        "ai.message" => format!(" * {message}"),
        "tool.call" => format!(" > {} {}", of("tool"), argument(&frame["input"])),
        "tool.result" => match of("outcome") {
            "failed" => format!(" ! {message}"),
            "cut_off" => " ! cut off".to_owned(),
            _ => return None,
        },
        "wait.started" => waiting(&frame["reason"])?,
        "run.finished" => format!("== {}: {}", of("status"), of("summary")),
        _ => return None,
    })
}

fn argument(input: &Value) -> String {
    let of = |name: &str| input[name].as_str();
    let operation = of("path").map(|path| format!("{} {path}", of("command").unwrap_or_default()));
    let text =
        operation.or_else(|| ["command", "pattern", "question"].iter().find_map(|name| of(name)).map(str::to_owned));
    let text = text.unwrap_or_default();
    let text = text.trim_end();
    let first = text.lines().next().unwrap_or_default();
    // An ellipsis also says that more lines follow.
    let shown = if first.len() < text.len() { Cow::Owned(format!("{first} …")) } else { Cow::Borrowed(first) };
    shorten(&shown, 110).into_owned()
}

fn todo(items: &Value) -> String {
    let lines: Vec<String> = items
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| {
            let mark = match item["status"].as_str() {
                Some("completed") => 'x',
                Some("in_progress") => '~',
                _ => ' ',
            };
            format!("   [{mark}] {}", item["content"].as_str().unwrap_or_default())
        })
        .collect();
    lines.join("\n")
}

fn plan(plan: &Value, message: &str) -> String {
    if plan["question"].is_string() {
        return format!("   {message}");
    }
    let mut text = format!("   Plan: {}", plan["title"].as_str().unwrap_or_default());
    for (step, number) in plan["steps"].as_array().into_iter().flatten().zip(1..) {
        text.push_str(&format!("\n     {number}. {}", step.as_str().unwrap_or_default()));
    }
    let confidence = plan["confidence"]["value"].as_f64().unwrap_or_default() * 100.0;
    let reason = plan["confidence"]["reason"].as_str().unwrap_or_default();
    text.push_str(&format!("\n   Confidence (the model about itself): {confidence:.0} %, {reason}"));
    text
}

fn waiting(reason: &Value) -> Option<String> {
    Some(match serde_json::from_value(reason.clone()).ok()? {
        WaitReason::PlanApproval { plan } => format!(" ? Approve the plan ({plan})?"),
        WaitReason::PlanQuestion { question } | WaitReason::Question { question, .. } => format!(" ? {question}"),
        WaitReason::Budget { limit, .. } => format!(" ? Budget: {limit}"),
        WaitReason::Stuck { reason } => format!(" ? Stuck: {reason}"),
    })
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
