//! The public view of an event: what streams and lists show.
//!
//! `kind` is the stable name. `type` is the name that clients of the first Tiny Backspace know; the tools' fields
//! (`filepath`, `old_str`, `new_str`, `command`, `output`) stand on `tool.result` only, so that each tool shows once.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::text::{first_line, shorten};
use crate::{Author, Event, EventBody, Payload, RetryCause, SessionId, Status, ToolKind};

/// The version of the frame's form.
const VERSION: u32 = 1;

/// The longest `message` of an event.
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// The frame of an event. What is private to the log (the raw reply, the fixed prompts) is not in it.
pub fn public_event(session: &SessionId, event: &Event) -> Value {
    let mut public_event = Map::new();
    public_event.insert("v".into(), VERSION.into());
    public_event.insert("id".into(), event.seq.0.into());
    public_event.insert("at".into(), event.at.to_string().into());
    public_event.insert("sessionId".into(), session.as_str().into());
    public_event.insert("run".into(), event.run.0.into());
    public_event.insert("kind".into(), event.body.kind().into());
    public_event.insert("type".into(), type_of(&event.body).into());
    public_event.insert("message".into(), shorten(first_line(&message(event)), MAX_MESSAGE_CHARACTERS).into());
    public_event.insert("traceId".into(), event.trace_id.as_str().into());
    public_event.insert("spanId".into(), event.span_id.as_str().into());
    if let Some(writer) = event.writer {
        public_event.insert("step".into(), writer.step.name().into());
        public_event.insert("attempt".into(), writer.attempt.0.into());
    }
    if let Value::Object(fields) = fields(&event.body) {
        for (name, value) in fields {
            public_event.entry(name).or_insert(value);
        }
    }
    Value::Object(public_event)
}

fn type_of(body: &EventBody) -> &'static str {
    match body {
        EventBody::AiMessage(_) | EventBody::PlanCreated(_) => "AI Message",
        EventBody::AiThinking(_) => "AI Thinking",
        EventBody::ToolResult(result) => match result.tool_kind {
            ToolKind::Bash => "Tool: Bash",
            ToolKind::Read => "Tool: Read",
            ToolKind::Write => "Tool: Write",
            ToolKind::Edit => "Tool: Edit",
            ToolKind::Search => "Tool: Search",
            ToolKind::Other => "Tool",
        },
        EventBody::SessionError(_) | EventBody::StepFailed(_) => "error",
        EventBody::RunFinished(finished) if finished.status == Status::Failed => "error",
        EventBody::RunFinished(_) => "completion",
        EventBody::UserMessage(message) if message.author == Author::User => "User Message",
        _ => "status",
    }
}

fn fields(body: &EventBody) -> Value {
    match body {
        EventBody::SessionCreated(created) => {
            let request = &created.session.request;
            json!({ "repoUrl": request.repo_url, "prompt": request.prompt, "model": request.model })
        }
        EventBody::ModelReplied(replied) => {
            json!({ "call": replied.call, "stop": replied.stop, "usage": replied.usage, "costUsd": replied.cost.as_dollars() })
        }
        EventBody::ToolResult(answered) => {
            let mut fields = match &answered.view {
                Value::Object(view) => view.clone(),
                _ => Map::new(),
            };
            fields.insert("turn".into(), answered.turn.0.into());
            fields.insert("call".into(), answered.call.as_str().into());
            fields.insert("tool".into(), answered.tool.as_str().into());
            fields.insert("output".into(), json!(answered.output));
            fields.insert("outcome".into(), json!(answered.outcome));
            fields.insert("exitCode".into(), json!(answered.exit_code));
            fields.insert("durationMs".into(), answered.duration_ms.into());
            Value::Object(fields)
        }
        EventBody::RunFinished(finished) => json!({
            "status": finished.status,
            "summary": finished.summary,
            "pr_url": finished.pr_url,
            "branch": finished.branch,
            "totals": finished.totals,
            "costUsd": finished.totals.cost.as_dollars(),
        }),
        body => match serde_json::to_value(body) {
            Ok(mut value) => value["data"].take(),
            Err(_) => Value::Null,
        },
    }
}

/// What happened, in a line.
fn message(event: &Event) -> String {
    let text = |payload: &Payload| match payload {
        Payload::Inline(text) => text.clone(),
        Payload::Stored(blob) => format!("({} bytes)", blob.bytes),
    };
    match &event.body {
        EventBody::SessionCreated(created) => format!("Session for {}", created.session.request.repo_url),
        EventBody::RunStarted(started) => match &started.queued {
            None => "Run started".to_owned(),
            Some(reason) => format!("Run queued: {reason}"),
        },
        EventBody::SessionStatus(changed) => format!("Status: {}", changed.status),
        EventBody::StepStarted(started) => format!("Step {} started", started.step),
        EventBody::StepFinished(finished) => format!("Step {} finished", finished.step),
        EventBody::StepFailed(failed) => format!("Step {} failed: {}", failed.step, failed.message),
        EventBody::SandboxCreated(created) => match &created.reduced {
            None => format!("Sandbox {} made ({})", created.sandbox, created.provider),
            Some(reduced) => format!("Sandbox {} made ({}): {reduced}", created.sandbox, created.provider),
        },
        EventBody::SandboxAttached(_) => "Workspace ready".to_owned(),
        EventBody::SandboxLost(lost) => format!("Sandbox lost: {}", lost.reason),
        EventBody::SandboxTerminating(terminating) => format!("Sandbox ending: {}", terminating.reason),
        EventBody::SandboxTerminated(terminated) => format!("Sandbox ended: {}", terminated.reason),
        EventBody::CloneProgress(progress) => progress.message.clone(),
        EventBody::RepositorySurveyed(surveyed) => {
            let survey = &surveyed.survey;
            format!("{} project: {} files, {}", survey.project_type.name(), survey.files, survey.languages.join(", "))
        }
        EventBody::InstructionsRead(read) => format!("Instructions read from {}", read.path),
        EventBody::PlanCreated(created) => match &created.content.question {
            None => format!("Plan: {}", created.content.title),
            Some(question) => format!("Question: {question}"),
        },
        EventBody::PlanApproved(_) => "Plan approved".to_owned(),
        EventBody::PlanRejected(_) => "Plan rejected".to_owned(),
        EventBody::WaitStarted(started) => format!("Waiting for you until {}", started.deadline),
        EventBody::WaitEnded(_) => "Going on".to_owned(),
        EventBody::BudgetReserved(reserved) => format!("{} reserved", reserved.amount),
        EventBody::BudgetSettled(settled) => format!("{} spent", settled.cost),
        EventBody::BudgetNearing(nearing) => format!("Budget: {}", nearing.left),
        EventBody::BudgetExhausted(exhausted) => format!("Budget: {}", exhausted.limit),
        EventBody::BudgetExtended(_) => "Budget extended".to_owned(),
        EventBody::TurnStarted(started) => format!("Turn {}", started.call.turn),
        EventBody::ModelReplied(replied) => format!("Reply of turn {}, {}", replied.call.turn, replied.cost),
        EventBody::ModelRetrying(retrying) => {
            let due = event.at + Duration::from_secs(retrying.in_seconds);
            match retrying.cause {
                RetryCause::Pause => format!("Rate limited ({}), next try at {due:.0}", retrying.reason),
                RetryCause::Failure if retrying.in_seconds == 0 => format!("{}; asked again", retrying.reason),
                RetryCause::Failure => format!("{}; next try at {due:.0}", retrying.reason),
            }
        }
        EventBody::AiMessage(message) => text(&message.text),
        EventBody::AiThinking(thinking) => text(&thinking.text),
        EventBody::ToolCall(called) => format!("{} called", called.tool),
        EventBody::ToolStarted(started) => format!("Call {} started", started.call),
        EventBody::ToolResult(answered) => text(&answered.output),
        EventBody::TodoUpdated(updated) => {
            let done = updated.items.iter().filter(|item| item.status == crate::TodoStatus::Completed).count();
            format!("To-do list: {done} of {} done", updated.items.len())
        }
        EventBody::FileChanged(changed) => format!("{} changed", changed.path),
        EventBody::WorkspaceCheckpoint(checkpoint) => format!("Checkpoint: {} files differ", checkpoint.files),
        EventBody::AgentStuck(stuck) => stuck.reason.clone(),
        EventBody::ContextChanged(changed) => {
            let (before, after) = (changed.tokens_before, changed.tokens_after);
            format!("New conversation, {before} tokens before, about {after} after: {}", changed.reason)
        }
        EventBody::DecisionRecorded(recorded) => recorded.decision.decision.clone(),
        EventBody::UserMessage(message) => message.text.clone(),
        EventBody::SessionCancelRequested(_) => "Cancel requested".to_owned(),
        EventBody::ChangesetCollected(collected) => {
            format!("{} files changed, +{} -{}", collected.files, collected.additions, collected.deletions)
        }
        EventBody::GitOperation(operated) => {
            format!("git {:?} {}", operated.operation, operated.branch.as_deref().unwrap_or_default()).to_lowercase()
        }
        EventBody::PublishStarted(started) => format!("Publishing branch {}", started.branch),
        EventBody::BranchPublished(published) => format!("Branch {} published", published.branch),
        EventBody::PrOpened(opened) => format!("Pull request {} opened: {}", opened.number, opened.pr_url),
        EventBody::PrUpdated(updated) => {
            format!("Pull request {} updated: {}", updated.number, updated.pr_url)
        }
        EventBody::UsageUpdated(usage) => format!("{} spent so far", usage.cost),
        EventBody::ScoreRecorded(score) => format!("{}: {}", score.name, score.explanation),
        EventBody::SessionError(failed) => {
            format!("{}: {}. {}", failed.code, failed.message.trim_end_matches('.'), failed.remedy)
        }
        EventBody::RunFinished(finished) => finished.summary.clone(),
    }
}
