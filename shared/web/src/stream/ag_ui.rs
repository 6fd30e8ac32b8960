//! The view `ag-ui`: a session in the events of AG-UI 1.0, for front ends that speak it.
//!
//! What AG-UI has a name for is told in its words; everything else is a `CUSTOM` event that holds the native frame.

use domain::SessionId;
use serde_json::{Value, json};

/// What the view has to remember: AG-UI wants a run to be open, and what was opened in it to be closed.
pub(super) struct AgUi {
    thread: String,
    run: Option<String>,
    steps: Vec<String>,
}

impl AgUi {
    pub(super) fn new(session: &SessionId) -> Self {
        Self { thread: session.to_string(), run: None, steps: Vec::new() }
    }

    /// The events that a frame becomes: at least one.
    pub(super) fn events(&mut self, frame: &Value) -> Vec<Value> {
        let mut events = Vec::new();
        let run = format!("{}-{}", self.thread, frame["run"]);
        if self.run.is_none() {
            events.push(json!({ "type": "RUN_STARTED", "threadId": self.thread, "runId": run }));
            self.run = Some(run);
        }
        self.translate(frame, &mut events);
        for event in &mut events {
            event["timestamp"] = timestamp(frame);
        }
        events
    }

    /// Something that AG-UI has no name for, within a run.
    pub(super) fn custom(&self, name: &str, value: &Value) -> Vec<Value> {
        match self.run {
            Some(_) => vec![json!({ "type": "CUSTOM", "name": name, "value": value })],
            None => Vec::new(),
        }
    }

    fn translate(&mut self, frame: &Value, events: &mut Vec<Value>) {
        let kind = frame["kind"].as_str().unwrap_or_default();
        let id = format!("{}-{}", self.thread, frame["id"]);
        let step = frame["step"].as_str().unwrap_or_default().to_owned();
        match kind {
            "step.started" if !self.steps.contains(&step) => {
                events.push(json!({ "type": "STEP_STARTED", "stepName": step }));
                self.steps.push(step);
            }
            "step.finished" | "step.failed" if self.steps.contains(&step) => {
                self.steps.retain(|open| *open != step);
                events.push(json!({ "type": "STEP_FINISHED", "stepName": step }));
            }
            "ai.message" => said(&id, &text(&frame["text"], frame), events),
            "ai.thinking" => thought(&id, &text(&frame["text"], frame), events),
            "tool.call" => called(frame, events),
            "tool.result" => events.push(json!({
                "type": "TOOL_CALL_RESULT",
                "messageId": id,
                "toolCallId": frame["call"],
                "content": text(&frame["output"], frame),
                "role": "tool",
            })),
            "plan.created" => {
                events.push(activity(&id, "PLAN", json!({ "plan": frame["plan"], "content": frame["content"] })))
            }
            "todo.updated" => {
                events.push(activity(&format!("{}-todo", self.thread), "TODO", json!({ "items": frame["items"] })))
            }
            "session.status" => {
                events.push(json!({ "type": "STATE_SNAPSHOT", "snapshot": { "status": frame["status"] } }))
            }
            "run.finished" => self.finished(frame, events),
            _ => events.push(json!({ "type": "CUSTOM", "name": kind, "value": frame })),
        }
    }

    fn finished(&mut self, frame: &Value, events: &mut Vec<Value>) {
        for step in std::mem::take(&mut self.steps) {
            events.push(json!({ "type": "STEP_FINISHED", "stepName": step }));
        }
        let run = self.run.take().unwrap_or_default();
        if frame["status"] == "failed" {
            events.push(json!({ "type": "RUN_ERROR", "message": frame["message"], "code": "failed" }));
            return;
        }
        let fields = ["status", "summary", "pr_url", "branch", "totals", "costUsd"];
        let result: serde_json::Map<String, Value> =
            fields.iter().map(|name| ((*name).to_owned(), frame[*name].clone())).collect();
        events.push(json!({ "type": "RUN_FINISHED", "threadId": self.thread, "runId": run, "result": result }));
    }
}

/// Text of the model for the user.
fn said(id: &str, text: &str, events: &mut Vec<Value>) {
    events.push(json!({ "type": "TEXT_MESSAGE_START", "messageId": id, "role": "assistant" }));
    if !text.is_empty() {
        events.push(json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": text }));
    }
    events.push(json!({ "type": "TEXT_MESSAGE_END", "messageId": id }));
}

/// A summary of the model's thinking.
fn thought(id: &str, text: &str, events: &mut Vec<Value>) {
    events.push(json!({ "type": "REASONING_START", "messageId": id }));
    events.push(json!({ "type": "REASONING_MESSAGE_START", "messageId": id, "role": "reasoning" }));
    if !text.is_empty() {
        events.push(json!({ "type": "REASONING_MESSAGE_CONTENT", "messageId": id, "delta": text }));
    }
    events.push(json!({ "type": "REASONING_MESSAGE_END", "messageId": id }));
    events.push(json!({ "type": "REASONING_END", "messageId": id }));
}

fn called(frame: &Value, events: &mut Vec<Value>) {
    let call = &frame["call"];
    events.push(json!({ "type": "TOOL_CALL_START", "toolCallId": call, "toolCallName": frame["tool"] }));
    events.push(json!({ "type": "TOOL_CALL_ARGS", "toolCallId": call, "delta": frame["input"].to_string() }));
    events.push(json!({ "type": "TOOL_CALL_END", "toolCallId": call }));
}

fn activity(id: &str, kind: &str, content: Value) -> Value {
    json!({ "type": "ACTIVITY_SNAPSHOT", "messageId": id, "activityType": kind, "content": content, "replace": true })
}

/// A text, or the frame's message for one that is kept elsewhere.
fn text(value: &Value, frame: &Value) -> String {
    value.as_str().or_else(|| frame["message"].as_str()).unwrap_or_default().to_owned()
}

/// Milliseconds since the epoch.
fn timestamp(frame: &Value) -> Value {
    let at = frame["at"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    at.map_or(Value::Null, |at| at.as_millisecond().into())
}
