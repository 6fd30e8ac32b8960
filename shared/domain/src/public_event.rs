//! The public view of an event: what streams and lists show.
//!
//! `kind` is the stable name. `type` is the name that clients of the first Tiny Backspace know. The tools' fields
//! (`filepath`, `old_str`, `new_str`, `command`, `output`) are on `tool.result` only, so that such a client shows each tool
//! call once.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::text::{first_line, shorten};
use crate::{
    Author, CheckFinished, CheckResult, CheckSubject, Event, EventBody, GitAction, ModelReplied, Payload, RetryCause,
    RunFinished, SandboxCreated, SessionId, SetupOutcome, Status, TodoStatus, ToolKind, ToolResult,
};

/// Version of the public form, the field `v`.
const VERSION: u32 = 1;

/// Limit of the field `message`, which clients show on one line.
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// The public view of an event, as a JSON object. It omits what is private to the log: the raw reply, which is not redacted,
/// the prompts of the deployment, and what leads to a sandbox.
pub fn public_event(session: &SessionId, event: &Event) -> Value {
    let View { label, message, fields } = view(event);
    let mut shown = Map::new();
    shown.insert("v".into(), VERSION.into());
    shown.insert("id".into(), event.seq.0.into());
    shown.insert("at".into(), event.at.to_string().into());
    shown.insert("sessionId".into(), session.as_str().into());
    shown.insert("run".into(), event.run.0.into());
    shown.insert("kind".into(), event.body.kind().into());
    shown.insert("type".into(), label.into());
    shown.insert("message".into(), shorten(first_line(&message), MAX_MESSAGE_CHARACTERS).into());
    shown.insert("traceId".into(), event.trace_id.as_str().into());
    shown.insert("spanId".into(), event.span_id.as_str().into());
    if let Some(writer) = event.writer {
        shown.insert("step".into(), writer.step.name().into());
        shown.insert("attempt".into(), writer.attempt.0.into());
    }
    let fields = fields.unwrap_or_else(|| match serde_json::to_value(&event.body) {
        Ok(mut body) => body["data"].take(),
        Err(_) => Value::Null,
    });
    if let Value::Object(fields) = fields {
        for (name, value) in fields {
            // The fields above win: a field of a tool must not pass for the event's id or kind.
            shown.entry(name).or_insert(value);
        }
    }
    Value::Object(shown)
}

struct View {
    /// The field `type`.
    label: &'static str,
    /// One sentence about what happened; cut to its first line.
    message: String,
    /// The fields to show; none for all fields of the event.
    fields: Option<Value>,
}

impl View {
    fn of(label: &'static str, message: impl Into<String>) -> Self {
        Self { label, message: message.into(), fields: None }
    }

    fn status(message: impl Into<String>) -> Self {
        Self::of("status", message)
    }

    /// Shows these fields instead of the event's own.
    fn with_fields(self, fields: Value) -> Self {
        Self { fields: Some(fields), ..self }
    }
}

/// What the public sees of each kind of event. No wildcard arm: whoever adds a kind decides it here.
fn view(event: &Event) -> View {
    match &event.body {
        EventBody::SessionCreated(created) => {
            let request = &created.session.request;
            let fields = json!({ "repoUrl": request.repo_url, "prompt": request.prompt, "model": request.model });
            View::status(format!("Session for {}", request.repo_url)).with_fields(fields)
        }
        EventBody::RunStarted(started) => View::status(match &started.queued {
            None => "Run started".to_owned(),
            Some(reason) => format!("Run queued: {reason}"),
        }),
        EventBody::SessionStatus(changed) => View::status(format!("Status: {}", changed.status)),
        EventBody::StepStarted(started) => View::status(format!("Step {} started", started.step))
            .with_fields(json!({ "step": started.step, "attempt": started.attempt })),
        EventBody::StepFinished(finished) => View::status(format!("Step {} finished", finished.step)),
        EventBody::StepFailed(failed) => {
            // Without a code the workflow tries again; when it gives up, the run's error says so.
            let what = if failed.code.is_some() { "failed" } else { "failed and is retried" };
            View::of("error", format!("Step {} {what}: {}", failed.step, failed.message))
        }
        EventBody::SandboxCreated(created) => {
            let SandboxCreated { sandbox, provider, reduced, network, handle: _ } = created;
            let fields = match reduced {
                None => json!({ "sandbox": sandbox, "provider": provider, "network": network }),
                Some(_) => json!({ "sandbox": sandbox, "provider": provider, "reduced": reduced, "network": network }),
            };
            View::status(match reduced {
                None => format!("Sandbox {sandbox} created ({provider})"),
                Some(reduced) => format!("Sandbox {sandbox} created ({provider}): {reduced}"),
            })
            .with_fields(fields)
        }
        EventBody::SandboxAttached(_) => View::status("Workspace ready"),
        EventBody::NetworkAllowed(allowed) => {
            View::status(format!("Network: {}:{} allowed", allowed.host, allowed.port))
        }
        EventBody::NetworkRefused(refused) => {
            View::status(format!("Network: {}:{} refused: {}", refused.host, refused.port, refused.reason))
        }
        EventBody::SetupStarted(started) => View::status(format!("Set-up ({}): {}", started.source, started.command)),
        EventBody::SetupFinished(finished) => View::status({
            let seconds = finished.duration_ms / 1000;
            match (finished.outcome, finished.exit_code) {
                (SetupOutcome::Succeeded, _) => format!("Set-up done in {seconds} s"),
                (SetupOutcome::Failed, Some(code)) => format!("Set-up failed after {seconds} s with exit code {code}"),
                (SetupOutcome::Failed, None) => format!("Set-up failed after {seconds} s"),
                (SetupOutcome::TimedOut, _) => format!("Set-up stopped after {seconds} s: it took too long"),
                (SetupOutcome::CutOff, _) => "Set-up cut off: its sandbox was lost".to_owned(),
            }
        }),
        EventBody::SandboxLost(lost) => View::status(format!("Sandbox lost: {}", lost.reason)),
        EventBody::SandboxTerminating(terminating) => View::status(format!("Sandbox ending: {}", terminating.reason)),
        EventBody::SandboxTerminated(terminated) => View::status(format!("Sandbox ended: {}", terminated.reason)),
        EventBody::CloneProgress(progress) => View::status(progress.message.clone()),
        EventBody::RepositorySurveyed(surveyed) => View::status({
            let survey = &surveyed.survey;
            let (kind, languages) = (survey.project_type.name(), survey.languages.join(", "));
            let missing = match surveyed.missing_programs.as_slice() {
                [] => String::new(),
                missing => format!("; the sandbox lacks {}", missing.join(", ")),
            };
            let unusable = surveyed.unusable_settings.as_ref();
            let unusable = unusable.map_or_else(String::new, |reason| format!("; {reason}"));
            format!("{kind} project: {} files, {languages}{missing}{unusable}", survey.files)
        }),
        EventBody::InstructionsRead(read) => View::status(format!("Instructions read from {}", read.path)),
        EventBody::PlanCreated(created) => View::of(
            "AI Message",
            match &created.content.question {
                None => format!("Plan: {}", created.content.title),
                Some(question) => format!("Question: {question}"),
            },
        ),
        EventBody::PlanApproved(_) => View::status("Plan approved"),
        EventBody::PlanRejected(_) => View::status("Plan rejected"),
        EventBody::WaitStarted(started) => View::status(format!("Waiting for an answer until {}", started.deadline)),
        EventBody::WaitEnded(_) => View::status("Wait ended"),
        EventBody::BudgetReserved(reserved) => View::status(format!("{} reserved", reserved.amount)),
        EventBody::BudgetSettled(settled) => View::status(format!("{} spent", settled.cost)),
        EventBody::BudgetNearing(nearing) => View::status(format!("Budget: {}", nearing.left)),
        EventBody::BudgetExhausted(exhausted) => View::status(format!("Budget: {}", exhausted.limit)),
        EventBody::BudgetExtended(_) => View::status("Budget extended"),
        EventBody::TurnStarted(started) => View::status(format!("Turn {}", started.call.turn)),
        EventBody::ModelReplied(replied) => {
            let ModelReplied { call, reply: _, stop, usage, cost } = replied;
            let fields = json!({ "call": call, "stop": stop, "usage": usage, "costUsd": cost.as_dollars() });
            View::status(format!("Reply of turn {}, {cost}", call.turn)).with_fields(fields)
        }
        EventBody::ModelRetrying(retrying) => View::status({
            let due = event.at + Duration::from_secs(retrying.in_seconds);
            match retrying.cause {
                RetryCause::Pause => format!("Rate limited ({}), retry at {due:.0}", retrying.reason),
                RetryCause::Refused => format!("{}; continuing in a new conversation", retrying.reason),
                RetryCause::Failure | RetryCause::Filtered if retrying.in_seconds == 0 => {
                    format!("{}; retrying", retrying.reason)
                }
                RetryCause::Failure | RetryCause::Filtered => format!("{}; retry at {due:.0}", retrying.reason),
            }
        }),
        EventBody::AiMessage(message) => View::of("AI Message", text(&message.text)),
        EventBody::AiThinking(thinking) => View::of("AI Thinking", text(&thinking.text)),
        EventBody::ToolCall(called) => {
            View::status(called.title.clone().unwrap_or_else(|| format!("{} called", called.tool)))
        }
        EventBody::ToolStarted(started) => View::status(format!("Call {} started", started.call)),
        EventBody::ToolResult(result) => {
            View::of(type_of_tool(result.tool_kind), text(&result.output)).with_fields(tool_fields(result))
        }
        EventBody::CheckStarted(started) => View::status(match started.subject {
            CheckSubject::Change => format!("Check: {}", started.command),
            CheckSubject::Base => format!("Check without the change: {}", started.command),
        }),
        EventBody::CheckFinished(finished) => View::status(check(finished)),
        EventBody::VerificationRecorded(recorded) => {
            View::status(format!("Verification: {}", recorded.verification.summary()))
        }
        EventBody::TodoUpdated(updated) => View::status({
            let done = updated.items.iter().filter(|item| item.status == TodoStatus::Completed).count();
            format!("To-do list: {done} of {} done", updated.items.len())
        }),
        EventBody::FileChanged(changed) => View::status(format!("{} changed", changed.path)),
        EventBody::WorkspaceCheckpoint(checkpoint) => {
            View::status(format!("Checkpoint: {} changed", counted(checkpoint.files, "file")))
        }
        EventBody::WorkspaceCheckpointFailed(failed) => View::status(format!(
            "The workspace could not be read after turn {}, so the run ends with the state before it: {}",
            failed.turn, failed.reason
        )),
        EventBody::AgentStuck(stuck) => View::status(stuck.reason.clone()),
        EventBody::ContextChanged(changed) => View::status({
            let (before, after) = (changed.tokens_before, changed.tokens_after);
            format!("Conversation compacted from {before} to about {after} tokens: {}", changed.reason)
        }),
        EventBody::DecisionRecorded(recorded) => View::status(recorded.decision.decision.clone()),
        EventBody::UserMessage(message) => match message.author {
            Author::User => View::of("User Message", message.text.clone()),
            Author::Brief
            | Author::Nudge
            | Author::Instructions
            | Author::Conflict
            | Author::Checks
            | Author::LeftOut
            | Author::Compaction => View::status(message.text.clone()),
        },
        EventBody::SessionCancelRequested(_) => View::status("Cancel requested"),
        EventBody::ChangesetCollected(collected) => {
            let files = counted(collected.files, "file");
            View::status(format!("{files} changed, +{} -{}", collected.additions, collected.deletions))
        }
        EventBody::GitOperation(operated) => {
            let branch = operated.branch.as_deref().unwrap_or_default();
            View::status(match operated.operation {
                GitAction::Clone => format!("git: cloned {branch}"),
                GitAction::BaseMoved => format!("git: {branch} moved and conflicts with the change"),
                GitAction::Commit => format!("git: committed to {branch}"),
                GitAction::UpdateBranch => format!("git: updated {branch}"),
            })
        }
        EventBody::PublishStarted(started) => View::status(format!("Publishing branch {}", started.branch)),
        EventBody::BranchPublished(published) => View::status(format!("Branch {} published", published.branch)),
        EventBody::PrOpened(opened) => {
            View::status(format!("Pull request {} opened: {}", opened.number, opened.pr_url))
        }
        EventBody::PrUpdated(updated) => {
            View::status(format!("Pull request {} updated: {}", updated.number, updated.pr_url))
        }
        EventBody::UsageUpdated(usage) => View::status(format!("{} spent so far", usage.cost)),
        EventBody::ScoreRecorded(score) => View::status(format!("{}: {}", score.name, score.explanation)),
        EventBody::SessionError(failed) => {
            View::of("error", format!("{}: {}. {}", failed.code, failed.message.trim_end_matches('.'), failed.remedy))
        }
        EventBody::RunFailing(failing) => {
            View::status(format!("The run fails, and what is stored of its work is published: {}", failing.message))
        }
        EventBody::SessionDeleted(_) => View::status("Session deleted"),
        EventBody::RunFinished(finished) => {
            let RunFinished { status, summary, pr_url, branch, left_out, totals } = finished;
            let label = if *status == Status::Failed { "error" } else { "completion" };
            View::of(label, summary.clone()).with_fields(json!({
                "status": status,
                "summary": summary,
                "pr_url": pr_url,
                "branch": branch,
                "leftOut": left_out,
                "totals": totals,
                "costUsd": totals.cost.as_dollars(),
            }))
        }
    }
}

fn check(finished: &CheckFinished) -> String {
    let CheckResult { command, outcome, reason, exit_code, duration_ms } = &finished.result;
    let subject = match finished.subject {
        CheckSubject::Change => "",
        CheckSubject::Base => "without the change ",
    };
    let mut text = format!("{subject}{command} {}", outcome.in_words());
    if let Some(code) = exit_code.filter(|code| *code != 0) {
        text.push_str(&format!(" with exit code {code}"));
    }
    text.push_str(&format!(" after {:.1} s", Duration::from_millis(*duration_ms).as_secs_f64()));
    if let Some(reason) = reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// `1 file`, `2 files`.
fn counted(number: u32, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn text(payload: &Payload) -> String {
    match payload {
        Payload::Inline(text) => text.clone(),
        Payload::Stored(blob) => format!("({} bytes)", blob.bytes),
    }
}

fn type_of_tool(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Bash => "Tool: Bash",
        ToolKind::Read => "Tool: Read",
        ToolKind::Write => "Tool: Write",
        ToolKind::Edit => "Tool: Edit",
        ToolKind::Search => "Tool: Search",
        ToolKind::Other => "Tool",
    }
}

/// The fields that the tool filled, and those of every result, which win.
fn tool_fields(result: &ToolResult) -> Value {
    let mut fields = result.view.as_object().cloned().unwrap_or_default();
    fields.insert("turn".into(), result.turn.0.into());
    fields.insert("call".into(), result.call.as_str().into());
    fields.insert("tool".into(), result.tool.as_str().into());
    fields.insert("output".into(), json!(result.output));
    fields.insert("outcome".into(), json!(result.outcome));
    fields.insert("exitCode".into(), json!(result.exit_code));
    fields.insert("durationMs".into(), result.duration_ms.into());
    Value::Object(fields)
}
