//! The messages of a request to the model can be rebuilt from any later log, byte for byte.

use domain::transcript::Texts;
use domain::{
    Attempt, Author, CallKey, ContextChanged, Conversation, Event, EventBody, ModelReplied, Payload, RawJson, Seq,
    StopReason, ToolOutcome, ToolResult, TurnNumber, TurnStarted, Usage, UserMessage, transcript,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::event;

/// What happens next in a generated session.
#[derive(Debug, Clone)]
enum Happening {
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

fn happening() -> impl Strategy<Value = Happening> {
    let outcome = prop_oneof![Just(ToolOutcome::Ok), Just(ToolOutcome::Failed), Just(ToolOutcome::CutOff)];
    prop_oneof![
        "\\PC{0,20}".prop_map(Happening::Message),
        Just(Happening::BrokenCall),
        ("\\PC{0,20}", proptest::collection::vec(("\\PC{0,20}", outcome), 0..4))
            .prop_map(|(text, results)| Happening::Call { text, results }),
        "\\PC{0,20}".prop_map(Happening::Compaction),
        Just(Happening::TooLong),
    ]
}

#[derive(Default)]
struct Log {
    events: Vec<Event>,
}

impl Log {
    fn tail(&self) -> Seq {
        self.events.last().map_or(Seq(0), |event| event.seq)
    }

    fn add(&mut self, body: impl Into<EventBody>) {
        self.events.push(event(self.tail().next(), body));
    }

    fn user_message(&mut self, text: &str) {
        self.message(Author::User, text);
    }

    fn message(&mut self, author: Author, text: &str) {
        let conversation = Conversation::Main;
        self.add(UserMessage { conversation, author, text: format!("<{text}>"), answers: None });
    }

    /// A new conversation begins, with this turn as its first.
    fn begin_conversation(&mut self, begins: TurnNumber) {
        self.add(ContextChanged { reason: String::new(), tokens_before: 2, tokens_after: 1, begins });
        self.message(Author::Brief, "the opening");
    }

    fn begin(&mut self, call: CallKey, up_to: Seq) {
        self.add(TurnStarted { call, up_to, model: "m".to_owned(), max_tokens: 1 });
    }

    /// A reply with a block of an unknown type, and with spaces that parsing and writing it again would lose.
    fn answer(&mut self, call: CallKey, text: &str, calls: usize) {
        let tools: String = (0..calls)
            .map(|n| {
                format!(
                    r#" , {{"type":"tool_use", "id":"toolu_{}_{n}","name":"bash","input":{{"b":1,"a":2}}}}"#,
                    call.turn
                )
            })
            .collect();
        let text = json!(text);
        let reply =
            format!(r#"{{"content": [{{"type":"new_block","x":1.50}}, {{"type":"text","text":{text}}}{tools}]}}"#);
        let (usage, cost) = (Usage::default(), Default::default());
        self.add(ModelReplied { call, reply: Payload::Inline(reply), stop: StopReason::EndTurn, usage, cost });
    }

    fn result(&mut self, turn: TurnNumber, n: usize, output: &str, outcome: ToolOutcome) {
        let call = format!("toolu_{turn}_{n}").parse().unwrap();
        self.add(ToolResult::without_run(turn, call, "bash".to_owned(), outcome, output));
    }
}

proptest! {
    #[test]
    fn the_messages_of_a_turn_can_be_rebuilt_from_every_later_log(
        happenings in proptest::collection::vec(happening(), 1..25),
        late in 0_u64..3,
    ) {
        let mut log = Log::default();
        let mut sent: Vec<(CallKey, Vec<RawJson>)> = Vec::new();
        let mut turn = TurnNumber(1);
        let mut attempt = Attempt(1);
        // The first turn of the current conversation.
        let mut begins = TurnNumber(1);
        let mut since = 0;
        log.user_message("the task");
        for happening in happenings {
            // A call needs a new user message, because the last reply may have had no tool calls.
            if let Happening::Message(text) = &happening {
                log.user_message(text);
                continue;
            }
            if matches!(happening, Happening::Compaction(_)) {
                log.message(Author::Compaction, "write a note");
            } else {
                log.user_message("go on");
            }
            let call = CallKey { conversation: Conversation::Main, turn, attempt };
            // The log may grow between reading it and writing `turn.started`: `upTo` is the end of what was read.
            let up_to = log.tail();
            for number in 0..late {
                log.user_message(&format!("late {number}"));
            }
            let started = TurnStarted { call, up_to, model: "m".to_owned(), max_tokens: 1 };
            sent.push((call, transcript::messages_of_next(&log.events, &Texts::default(), &started).unwrap()));
            log.begin(call, up_to);
            match happening {
                Happening::Message(_) => {}
                Happening::BrokenCall => attempt = attempt.next(),
                Happening::Compaction(text) => {
                    log.answer(call, &text, 0);
                    log.user_message("meanwhile");
                    turn = turn.next();
                    attempt = Attempt(1);
                    log.begin_conversation(turn);
                    (begins, since) = (turn, sent.len());
                }
                Happening::TooLong => {
                    attempt = attempt.next();
                    log.begin_conversation(turn);
                    (begins, since) = (turn, sent.len());
                }
                Happening::Call { text, results } => {
                    log.answer(call, &text, results.len());
                    // Results may be written in any order and more than once: the first one counts.
                    for (n, (output, outcome)) in results.iter().enumerate().rev() {
                        log.result(turn, n, output, *outcome);
                        log.result(turn, n, "another", ToolOutcome::Failed);
                    }
                    turn = turn.next();
                    attempt = Attempt(1);
                }
            }
            for (call, messages) in &sent {
                let rebuilt = transcript::messages(&log.events, &Texts::default(), *call).unwrap();
                prop_assert_eq!(&rebuilt, messages);
            }
        }
        // A conversation only grows: its last request begins with the messages of every request that was answered.
        let sent = &sent[since..];
        if let Some((_, last)) = sent.last() {
            for (call, messages) in sent.iter().filter(|(call, _)| call.turn < turn && call.turn >= begins) {
                let accepted = log.events.iter().any(|event| matches!(&event.body, EventBody::ModelReplied(replied) if replied.call == *call));
                if accepted {
                    prop_assert!(last.starts_with(messages), "{:?} does not begin with {:?}", last, messages);
                }
            }
        }
    }
}

#[test]
fn results_come_first_in_the_order_of_the_calls_and_none_may_be_missing() {
    let mut log = Log::default();
    log.user_message("the task");
    let first = CallKey { conversation: Conversation::Main, turn: TurnNumber(1), attempt: Attempt(1) };
    log.begin(first, log.tail());
    log.answer(first, "hello", 2);
    log.result(TurnNumber(1), 1, "second", ToolOutcome::Failed);
    log.user_message("by the way");
    let second = CallKey { turn: TurnNumber(2), ..first };
    let begun = log.tail();
    log.begin(second, begun);
    let missing = transcript::messages(&log.events, &Texts::default(), second).unwrap_err();
    assert_eq!(missing.to_string(), "tool call toolu_1_0 has no result");
    log.result(TurnNumber(1), 0, "", ToolOutcome::Ok);
    let messages = transcript::messages(&log.events, &Texts::default(), second).unwrap();
    let last: serde_json::Value = messages.last().unwrap().read().unwrap();
    assert_eq!(
        last,
        json!({ "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "toolu_1_0", "content": "(no output)" },
            { "type": "tool_result", "tool_use_id": "toolu_1_1", "content": "second", "is_error": true },
            { "type": "text", "text": "<by the way>" },
        ]})
    );
    let assistant = messages[1].as_str();
    assert!(assistant.contains(r#"{"type":"new_block","x":1.50}, "#), "{assistant}");
}

#[test]
fn a_new_conversation_opens_with_its_brief_and_unanswered_messages() {
    let mut log = Log::default();
    log.user_message("the task");
    let first = CallKey { conversation: Conversation::Main, turn: TurnNumber(1), attempt: Attempt(1) };
    log.begin(first, log.tail());
    log.answer(first, "hello", 1);
    log.result(TurnNumber(1), 0, "a result", ToolOutcome::Ok);
    log.message(Author::Compaction, "write a note");
    let second = CallKey { turn: TurnNumber(2), ..first };
    log.begin(second, log.tail());
    log.user_message("meanwhile");
    log.answer(second, "the note", 0);
    let before = transcript::messages(&log.events, &Texts::default(), second).unwrap();
    log.begin_conversation(TurnNumber(3));
    let third = CallKey { turn: TurnNumber(3), ..first };
    log.begin(third, log.tail());
    let after = transcript::messages(&log.events, &Texts::default(), third).unwrap();
    let after: Vec<serde_json::Value> = after.iter().map(|message| message.read().unwrap()).collect();
    assert_eq!(
        after,
        [json!({ "role": "user", "content": [
            { "type": "text", "text": "<the opening>" },
            { "type": "text", "text": "<meanwhile>" },
        ]})]
    );
    assert_eq!(
        transcript::messages(&log.events, &Texts::default(), second).unwrap(),
        before,
        "the old one stays as it was"
    );

    // A call that is refused as too long is repeated in a new conversation, without the message that it sent.
    log.message(Author::Compaction, "write another note");
    let fourth = CallKey { turn: TurnNumber(4), ..first };
    log.answer(third, "hello again", 0);
    log.begin(fourth, log.tail());
    log.begin_conversation(TurnNumber(4));
    let again = CallKey { attempt: Attempt(2), ..fourth };
    log.begin(again, log.tail());
    let messages = transcript::messages(&log.events, &Texts::default(), again).unwrap();
    let only: serde_json::Value = messages[0].read().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(only["content"], json!([{ "type": "text", "text": "<the opening>" }]));
}
