//! Prints a session's events as progress, one line each.

use domain::text::shorten;
use domain::{SessionId, ToolOutcome, WaitReason, kinds};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::output::Output;

/// Maximum length of a tool call in a line, in characters: with the mark before it, it fits most terminals.
const MAX_TITLE_CHARACTERS: usize = 116;

/// Prints the public frame of an event.
pub(super) fn print(frame: &Value, output: &Output) {
    output.json(frame);
    if let Some(line) = line(frame) {
        output.progress(&line);
    }
}

/// The line for a frame, or none for one that a person need not see.
fn line(frame: &Value) -> Option<String> {
    let of = |name: &str| frame[name].as_str().unwrap_or_default();
    let message = of("message");
    Some(match of("kind") {
        kinds::SESSION_STATUS => format!("== {}", of("status")),
        kinds::RUN_STARTED if !frame["queued"].is_null() => format!("== {message}"),
        kinds::SANDBOX_CREATED
        | kinds::SANDBOX_LOST
        | kinds::NETWORK_REFUSED
        | kinds::CLONE_PROGRESS
        | kinds::SETUP_STARTED
        | kinds::SETUP_FINISHED
        | kinds::REPOSITORY_SURVEYED
        | kinds::INSTRUCTIONS_READ
        | kinds::MODEL_RETRYING
        | kinds::BUDGET_NEARING
        | kinds::BUDGET_EXHAUSTED
        | kinds::AGENT_STUCK
        | kinds::CONTEXT_CHANGED
        | kinds::FILE_CHANGED
        | kinds::CHECK_STARTED
        | kinds::CHECK_FINISHED
        | kinds::RUN_FAILING
        | kinds::CHANGESET_COLLECTED
        | kinds::BRANCH_PUBLISHED
        | kinds::PR_OPENED
        | kinds::PR_UPDATED
        | kinds::STEP_FAILED
        | kinds::SESSION_ERROR => format!("   {message}"),
        kinds::TODO_UPDATED => todo(&frame["items"]),
        kinds::PLAN_CREATED => plan(&frame["content"], message),
        kinds::AI_MESSAGE => format!(" * {message}"),
        kinds::TOOL_CALL => format!(" > {}", shorten(message, MAX_TITLE_CHARACTERS)),
        kinds::TOOL_RESULT => match parsed::<ToolOutcome>(&frame["outcome"])? {
            ToolOutcome::Ok => return None,
            ToolOutcome::Failed => format!(" ! {}: {message}", tool(frame)),
            ToolOutcome::CutOff => format!(" ! {}: cut off", tool(frame)),
        },
        kinds::WAIT_STARTED => question(&parsed(&frame["reason"])?),
        kinds::RUN_FINISHED => format!("== {}: {}", of("status"), of("summary")),
        _ => return None,
    })
}

pub(super) fn parsed<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

/// Which tool a result is of: the kind of tool in its `type` ("Tool: Read"), or the tool's name, and its argument.
fn tool(result: &Value) -> String {
    let kind = result["type"].as_str().and_then(|kind| kind.strip_prefix("Tool: "));
    let name = kind.or_else(|| result["tool"].as_str()).unwrap_or_default();
    format!("{name} {}", argument(result)).trim_end().to_owned()
}

/// The fields by which users recognise a tool call, in a line. An ellipsis stands for further lines.
fn argument(fields: &Value) -> String {
    let names = ["command", "pattern", "question", "filepath", "path"];
    let values: Vec<&str> = names.iter().filter_map(|name| fields[*name].as_str()).collect();
    let text = values.join(" ");
    let text = text.trim_end();
    let first = text.lines().next().unwrap_or_default();
    let shown = if first.len() < text.len() { format!("{first} …") } else { first.to_owned() };
    shorten(&shown, MAX_TITLE_CHARACTERS).into_owned()
}

fn todo(items: &Value) -> String {
    let items: Vec<domain::Todo> = parsed(items).unwrap_or_default();
    let lines: Vec<String> = items
        .iter()
        .map(|item| {
            let mark = match item.status {
                domain::TodoStatus::Completed => 'x',
                domain::TodoStatus::InProgress => '~',
                domain::TodoStatus::Pending => ' ',
            };
            format!("   [{mark}] {}", item.content)
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
    let checks: Vec<&str> = plan["checks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match checks.as_slice() {
        [] => text.push_str("\n   Checks before it is published: none"),
        checks => text.push_str(&format!("\n   Checks before it is published: {}", checks.join("; "))),
    }
    let confidence = plan["confidence"]["value"].as_f64().unwrap_or_default() * 100.0;
    let reason = plan["confidence"]["reason"].as_str().unwrap_or_default();
    text.push_str(&format!("\n   Confidence (self-reported by the model): {confidence:.0} %. {reason}"));
    text
}

fn question(reason: &WaitReason) -> String {
    match reason {
        WaitReason::PlanApproval { plan } => format!(" ? Approve the plan ({plan})?"),
        WaitReason::PlanQuestion { question } | WaitReason::Question { question, .. } => format!(" ? {question}"),
        WaitReason::Budget { limit, .. } => format!(" ? Budget: {limit}"),
        WaitReason::Stuck { reason } => format!(" ? Stuck: {reason}"),
    }
}

/// The commands that answer a waiting session.
pub(super) fn how_to_answer(session: &SessionId, reason: &WaitReason) -> String {
    let command = |name: &str, arguments: &str| format!("  backspace sessions {name} {session}{arguments}");
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
