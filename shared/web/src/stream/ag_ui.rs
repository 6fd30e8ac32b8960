//! The format `ag-ui`: events of AG-UI 1.0 (docs.ag-ui.com), for front ends that speak it.
//!
//! An event without a counterpart in AG-UI becomes a `CUSTOM` event with the native frame as its value.

use domain::{SessionId, Status, kinds};
use serde_json::{Value, json};

/// AG-UI requires an open run around all events, and that steps which were started in it are finished before its end.
pub(super) struct AgUi {
    thread: String,
    open_run: Option<String>,
    open_steps: Vec<String>,
}

impl AgUi {
    pub(super) fn new(session: &SessionId) -> Self {
        Self { thread: session.to_string(), open_run: None, open_steps: Vec::new() }
    }

    /// Translates a stored frame into one or more events.
    pub(super) fn events(&mut self, frame: &Value) -> Vec<Value> {
        let mut events = Vec::new();
        let run = format!("{}-{}", self.thread, frame["run"]);
        if self.open_run.is_none() {
            events.push(json!({ "type": "RUN_STARTED", "threadId": self.thread, "runId": run }));
            self.open_run = Some(run);
        }
        self.translate(frame, &mut events);
        for event in &mut events {
            event["timestamp"] = timestamp(frame);
        }
        events
    }

    /// A custom event within a run. Outside of a run it is omitted.
    pub(super) fn custom(&self, name: &str, value: &Value) -> Vec<Value> {
        match self.open_run {
            Some(_) => vec![json!({ "type": "CUSTOM", "name": name, "value": value })],
            None => Vec::new(),
        }
    }

    fn translate(&mut self, frame: &Value, events: &mut Vec<Value>) {
        let kind = frame["kind"].as_str().unwrap_or_default();
        let id = format!("{}-{}", self.thread, frame["id"]);
        let step = frame["step"].as_str().unwrap_or_default().to_owned();
        match kind {
            kinds::STEP_STARTED if !self.open_steps.contains(&step) => {
                events.push(json!({ "type": "STEP_STARTED", "stepName": step }));
                self.open_steps.push(step);
            }
            kinds::STEP_FINISHED | kinds::STEP_FAILED if self.open_steps.contains(&step) => {
                self.open_steps.retain(|open| *open != step);
                events.push(json!({ "type": "STEP_FINISHED", "stepName": step }));
            }
            kinds::AI_MESSAGE => text_message(&id, &text(&frame["text"], frame), events),
            kinds::AI_THINKING => reasoning(&id, &text(&frame["text"], frame), events),
            kinds::TOOL_CALL => tool_call(frame, events),
            kinds::TOOL_RESULT => events.push(json!({
                "type": "TOOL_CALL_RESULT",
                "messageId": id,
                "toolCallId": frame["call"],
                "content": text(&frame["output"], frame),
                "role": "tool",
            })),
            kinds::PLAN_CREATED => {
                events.push(activity(&id, "PLAN", json!({ "plan": frame["plan"], "content": frame["content"] })))
            }
            kinds::TODO_UPDATED => {
                events.push(activity(&format!("{}-todo", self.thread), "TODO", json!({ "items": frame["items"] })))
            }
            kinds::SESSION_STATUS => {
                events.push(json!({ "type": "STATE_SNAPSHOT", "snapshot": { "status": frame["status"] } }))
            }
            kinds::RUN_FINISHED => self.run_finished(frame, events),
            _ => events.push(json!({ "type": "CUSTOM", "name": kind, "value": frame })),
        }
    }

    fn run_finished(&mut self, frame: &Value, events: &mut Vec<Value>) {
        for step in std::mem::take(&mut self.open_steps) {
            events.push(json!({ "type": "STEP_FINISHED", "stepName": step }));
        }
        let run = self.open_run.take().unwrap_or_default();
        if frame["status"] == Status::Failed.name() {
            events.push(json!({ "type": "RUN_ERROR", "message": frame["message"], "code": "failed" }));
            return;
        }
        let fields = ["status", "summary", "pr_url", "branch", "totals", "costUsd"];
        let result: serde_json::Map<String, Value> =
            fields.iter().map(|name| ((*name).to_owned(), frame[*name].clone())).collect();
        events.push(json!({ "type": "RUN_FINISHED", "threadId": self.thread, "runId": run, "result": result }));
    }
}

fn text_message(id: &str, text: &str, events: &mut Vec<Value>) {
    events.push(json!({ "type": "TEXT_MESSAGE_START", "messageId": id, "role": "assistant" }));
    if !text.is_empty() {
        events.push(json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": text }));
    }
    events.push(json!({ "type": "TEXT_MESSAGE_END", "messageId": id }));
}

fn reasoning(id: &str, text: &str, events: &mut Vec<Value>) {
    events.push(json!({ "type": "REASONING_START", "messageId": id }));
    events.push(json!({ "type": "REASONING_MESSAGE_START", "messageId": id, "role": "reasoning" }));
    if !text.is_empty() {
        events.push(json!({ "type": "REASONING_MESSAGE_CONTENT", "messageId": id, "delta": text }));
    }
    events.push(json!({ "type": "REASONING_MESSAGE_END", "messageId": id }));
    events.push(json!({ "type": "REASONING_END", "messageId": id }));
}

fn tool_call(frame: &Value, events: &mut Vec<Value>) {
    let call = &frame["call"];
    events.push(json!({ "type": "TOOL_CALL_START", "toolCallId": call, "toolCallName": frame["tool"] }));
    events.push(json!({ "type": "TOOL_CALL_ARGS", "toolCallId": call, "delta": frame["input"].to_string() }));
    events.push(json!({ "type": "TOOL_CALL_END", "toolCallId": call }));
}

fn activity(id: &str, kind: &str, content: Value) -> Value {
    json!({ "type": "ACTIVITY_SNAPSHOT", "messageId": id, "activityType": kind, "content": content, "replace": true })
}

/// The text, or the frame's message when the text is stored as a blob.
fn text(value: &Value, frame: &Value) -> String {
    value.as_str().or_else(|| frame["message"].as_str()).unwrap_or_default().to_owned()
}

/// The frame's time, in milliseconds since the epoch.
fn timestamp(frame: &Value) -> Value {
    let at = frame["at"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    at.map_or(Value::Null, |at| at.as_millisecond().into())
}
