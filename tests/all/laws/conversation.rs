//! Conversations as the laws about them need them: generated logs, and the messages of a call by the letter of the rules.

use std::collections::HashMap;

use domain::{
    Attempt, Author, CallId, CallKey, ContentBlock, ContextChanged, Conversation, Event, EventBody, ModelReplied,
    Payload, RawJson, Seq, StopReason, ToolCall, ToolOutcome, ToolResult, TurnNumber, TurnStarted, Usage, UserMessage,
    transcript,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::event;

/// What happens next in a generated session.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// The user sends a message.
    Message(String),
    /// A call is made and breaks off.
    BrokenCall,
    /// A call is made and answered with text and tool calls, whose results follow.
    Call { text: String, results: Vec<(String, ToolOutcome)> },
    /// A note is requested and written while the user sends a message, and a new conversation begins.
    Compaction(String),
    /// A call is refused as too long, and a new conversation begins.
    TooLong,
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    let outcome = prop_oneof![Just(ToolOutcome::Ok), Just(ToolOutcome::Failed), Just(ToolOutcome::CutOff)];
    prop_oneof![
        2 => "\\PC{0,20}".prop_map(Happening::Message),
        1 => Just(Happening::BrokenCall),
        4 => ("\\PC{0,20}", proptest::collection::vec(("\\PC{0,20}", outcome), 0..4))
            .prop_map(|(text, results)| Happening::Call { text, results }),
        1 => "\\PC{0,20}".prop_map(Happening::Compaction),
        1 => Just(Happening::TooLong),
    ]
}

/// A log whose session has one run.
#[derive(Default)]
pub(super) struct Log {
    pub(super) events: Vec<Event>,
}

impl Log {
    pub(super) fn tail(&self) -> Seq {
        self.events.last().map_or(Seq(0), |event| event.seq)
    }

    pub(super) fn add(&mut self, body: impl Into<EventBody>) {
        self.events.push(event(self.tail().next(), body));
    }

    pub(super) fn user_message(&mut self, text: &str) {
        self.message(Author::User, text);
    }

    pub(super) fn message(&mut self, author: Author, text: &str) {
        let conversation = Conversation::Main;
        self.add(UserMessage { conversation, author, text: format!("<{text}>"), answers: None });
    }

    /// A new conversation begins, with this turn as its first.
    pub(super) fn begin_conversation(&mut self, begins: TurnNumber) {
        self.add(ContextChanged { reason: String::new(), tokens_before: 2, tokens_after: 1, begins });
        self.message(Author::Brief, "the opening");
    }

    pub(super) fn begin(&mut self, call: CallKey, up_to: Seq) {
        self.add(TurnStarted { call, up_to, model: "m".to_owned(), max_tokens: 1 });
    }

    /// A reply with a block of an unknown type, and with spaces that parsing and writing it again would lose.
    pub(super) fn answer(&mut self, call: CallKey, text: &str, calls: usize) {
        let tools: String = (0..calls)
            .map(|n| {
                format!(
                    r#" , {{"type":"tool_use", "id":"toolu_{}_{n}","name":"bash","input":{{"b":1,"a":2}}}}"#,
                    call.turn
                )
            })
            .collect();
        let written = json!(text);
        let reply =
            format!(r#"{{"content": [{{"type":"new_block","x":1.50}}, {{"type":"text","text":{written}}}{tools}]}}"#);
        let (usage, cost) = (Usage::default(), Default::default());
        self.add(ModelReplied { call, reply: Payload::Inline(reply), stop: StopReason::EndTurn, usage, cost });
        self.add(domain::AiMessage { turn: call.turn, text: text.into() });
        for n in 0..calls {
            let (turn, id) = (call.turn, format!("toolu_{}_{n}", call.turn).parse().unwrap());
            self.add(ToolCall { turn, call: id, tool: "bash".to_owned(), title: None, input: json!({ "b": n }) });
        }
    }

    pub(super) fn result(&mut self, turn: TurnNumber, n: usize, output: &str, outcome: ToolOutcome) {
        let call = format!("toolu_{turn}_{n}").parse().unwrap();
        self.add(ToolResult::without_run(turn, call, "bash".to_owned(), outcome, output));
    }

    /// Lets things happen. `sends` sees the log before each call is made, and the call.
    pub(super) fn play(&mut self, happenings: Vec<Happening>, late: u64, mut sends: impl FnMut(&Self, &TurnStarted)) {
        let (mut turn, mut attempt) = (TurnNumber(1), Attempt(1));
        self.user_message("the task");
        for happening in happenings {
            // A call needs a new user message, because the last reply may have had no tool calls.
            if let Happening::Message(text) = &happening {
                self.user_message(text);
                continue;
            }
            if matches!(happening, Happening::Compaction(_)) {
                self.message(Author::Compaction, "write a note");
            } else {
                self.user_message("go on");
            }
            let call = CallKey { conversation: Conversation::Main, turn, attempt };
            // The log may grow between reading it and writing `turn.started`: `upTo` is the end of what was read.
            let up_to = self.tail();
            for number in 0..late {
                self.user_message(&format!("late {number}"));
            }
            sends(self, &TurnStarted { call, up_to, model: "m".to_owned(), max_tokens: 1 });
            self.begin(call, up_to);
            match happening {
                Happening::Message(_) => {}
                Happening::BrokenCall => attempt = attempt.next(),
                Happening::Compaction(text) => {
                    self.answer(call, &text, 0);
                    self.user_message("meanwhile");
                    (turn, attempt) = (turn.next(), Attempt(1));
                    self.begin_conversation(turn);
                }
                Happening::TooLong => {
                    attempt = attempt.next();
                    self.begin_conversation(turn);
                }
                Happening::Call { text, results } => {
                    self.answer(call, &text, results.len());
                    // Results may be written in any order and more than once: the first one counts.
                    for (n, (output, outcome)) in results.iter().enumerate().rev() {
                        self.result(turn, n, output, *outcome);
                        self.result(turn, n, "another", ToolOutcome::Failed);
                    }
                    (turn, attempt) = (turn.next(), Attempt(1));
                }
            }
        }
    }
}

/// The messages that were sent with a call of the main conversation, found in the whole log by the letter of the rules: a
/// second implementation, which folds nothing. None when the log does not contain what the call needs.
pub(super) fn messages(events: &[Event], call: CallKey) -> Option<Vec<RawJson>> {
    let mut up_tos: HashMap<CallKey, Seq> = HashMap::new();
    let mut replies: HashMap<TurnNumber, (CallKey, &str)> = HashMap::new();
    let mut results: HashMap<(TurnNumber, &CallId), &ToolResult> = HashMap::new();
    for event in events {
        match &event.body {
            EventBody::TurnStarted(started) => drop(up_tos.entry(started.call).or_insert(started.up_to)),
            EventBody::ModelReplied(replied) => {
                replies.entry(replied.call.turn).or_insert((replied.call, replied.reply.inline()?));
            }
            EventBody::ToolResult(result) => drop(results.entry((result.turn, &result.call)).or_insert(result)),
            _ => {}
        }
    }
    let end = *up_tos.get(&call)?;
    let restart = events.iter().rev().find_map(|event| match &event.body {
        EventBody::ContextChanged(changed) if event.seq <= end => Some((event.seq, changed.begins)),
        _ => None,
    });
    let (restarted, begins) = restart.unwrap_or((Seq(0), TurnNumber(1)));
    let before = replies.get(&TurnNumber(begins.0 - 1)).and_then(|(call, _)| up_tos.get(call));
    let mut after = if restarted > Seq(0) { before.copied().unwrap_or_default() } else { Seq(0) };
    let mut sent = Vec::new();
    let mut blocks: Vec<Value> = Vec::new();
    for turn in begins.0..=call.turn.0 {
        let turn = TurnNumber(turn);
        let key = if turn == call.turn { call } else { replies.get(&turn)?.0 };
        let up_to = *up_tos.get(&key)?;
        let messages = || {
            events.iter().filter(|event| event.seq > after && event.seq <= up_to).filter_map(|event| {
                match &event.body {
                    EventBody::UserMessage(message) => Some((event.seq, message)),
                    _ => None,
                }
            })
        };
        let opens = |message: &UserMessage| message.author == Author::Brief && restarted > Seq(0);
        // The request for a note, and an opening that no answered call has sent.
        let is_old = |seq: Seq, message: &UserMessage| {
            matches!(message.author, Author::Compaction | Author::Brief) && seq < restarted
        };
        for is_first in [true, false] {
            let chosen = messages().filter(|(seq, message)| opens(message) == is_first && !is_old(*seq, message));
            blocks.extend(chosen.map(|(_, message)| json!({ "type": "text", "text": message.text })));
        }
        sent.push(RawJson::of(&json!({ "role": "user", "content": blocks })).unwrap());
        after = up_to;
        if turn == call.turn {
            break;
        }
        let (_, reply) = *replies.get(&turn)?;
        let content = reply.strip_prefix(r#"{"content": "#)?.strip_suffix('}')?;
        let content = without_blank_text(content);
        sent.push(RawJson::parse(format!(r#"{{"role":"assistant","content":{content}}}"#)).unwrap());
        blocks.clear();
        for block in transcript::reply_blocks(reply).unwrap() {
            let ContentBlock::ToolUse { id, .. } = block else { continue };
            let id = id.parse().ok()?;
            let result = results.get(&(turn, &id))?;
            let output = result.output.inline()?;
            let output = if output.trim().is_empty() { "(no output)" } else { output };
            let mut block = json!({ "type": "tool_result", "tool_use_id": id, "content": output });
            if result.outcome != ToolOutcome::Ok {
                block["is_error"] = true.into();
            }
            blocks.push(block);
        }
    }
    Some(sent)
}

/// The content of a generated reply as it is sent back: whole, unless its text has no visible character.
fn without_blank_text(content: &str) -> String {
    let blocks: Vec<&serde_json::value::RawValue> = serde_json::from_str(content).unwrap();
    let is_blank = |block: &str| {
        let block: Value = serde_json::from_str(block).unwrap();
        block["text"].as_str().is_some_and(|text| text.trim().is_empty())
    };
    if !blocks.iter().any(|block| is_blank(block.get())) {
        return content.to_owned();
    }
    let kept: Vec<&str> = blocks.iter().map(|block| block.get()).filter(|block| !is_blank(block)).collect();
    format!("[{}]", kept.join(","))
}
