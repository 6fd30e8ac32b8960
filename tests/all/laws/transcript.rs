//! What was sent to the model can be rebuilt from any later log, byte for byte.

use domain::{
    Attempt, Author, CallKey, Conversation, Event, EventBody, ModelReplied, Payload, RawJson, RunNumber, Seq,
    StopReason, ToolAnswered, ToolOutcome, TurnNumber, TurnStarted, Usage, UserMessage, transcript,
};
use proptest::prelude::*;
use serde_json::json;

/// What happens next in a made-up session.
#[derive(Debug, Clone)]
enum Happening {
    /// Somebody says something.
    Said(String),
    /// A call is made and broken off.
    BrokenCall,
    /// A call is made and answered with text and so many tool calls, whose results follow.
    Call { text: String, results: Vec<(String, ToolOutcome)> },
}

fn happening() -> impl Strategy<Value = Happening> {
    let outcome = prop_oneof![Just(ToolOutcome::Ok), Just(ToolOutcome::Failed), Just(ToolOutcome::CutOff)];
    prop_oneof![
        "\\PC{0,20}".prop_map(Happening::Said),
        Just(Happening::BrokenCall),
        ("\\PC{0,20}", proptest::collection::vec(("\\PC{0,20}", outcome), 0..4))
            .prop_map(|(text, results)| Happening::Call { text, results }),
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
        self.events.push(Event {
            seq: self.tail().next(),
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
            run: RunNumber(1),
            writer: None,
            trace_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            span_id: "0123456789abcdef".parse().unwrap(),
            body: body.into(),
        });
    }

    fn say(&mut self, text: &str) {
        let (conversation, author) = (Conversation::Main, Author::User);
        self.add(UserMessage { conversation, author, text: format!("<{text}>"), answers: None });
    }

    fn begin(&mut self, call: CallKey, up_to: Seq) {
        self.add(TurnStarted { call, up_to, model: "m".to_owned(), max_tokens: 1 });
    }

    /// An answer with a block type nobody knows in it, and spaces that a rewrite would lose.
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
        self.add(ToolAnswered {
            turn,
            call: format!("toolu_{turn}_{n}").parse().unwrap(),
            tool: "bash".to_owned(),
            output: Payload::from(output),
            outcome,
            duration_ms: 0,
            exit_code: None,
            view: serde_json::Value::Null,
            check: None,
        });
    }
}

proptest! {
    #[test]
    fn what_was_sent_for_a_turn_can_be_rebuilt_from_every_later_log(
        happenings in proptest::collection::vec(happening(), 1..25),
        late in 0_u64..3,
    ) {
        let mut log = Log::default();
        let mut sent: Vec<(CallKey, Vec<RawJson>)> = Vec::new();
        let mut turn = TurnNumber(1);
        let mut attempt = Attempt(1);
        log.say("the task");
        for happening in happenings {
            // A turn needs something to say: the last reply may have had no tool calls.
            if let Happening::Said(text) = &happening {
                log.say(text);
                continue;
            }
            log.say("go on");
            let call = CallKey { conversation: Conversation::Main, turn, attempt };
            // The log may have grown between reading it and writing the intent: `upTo` is what was read.
            let up_to = log.tail();
            for number in 0..late {
                log.say(&format!("late {number}"));
            }
            log.begin(call, up_to);
            sent.push((call, transcript::messages(&log.events, call).unwrap()));
            match happening {
                Happening::Said(_) => {}
                Happening::BrokenCall => attempt = attempt.next(),
                Happening::Call { text, results } => {
                    log.answer(call, &text, results.len());
                    // Results may come in any order, and twice: the first counts.
                    for (n, (output, outcome)) in results.iter().enumerate().rev() {
                        log.result(turn, n, output, *outcome);
                        log.result(turn, n, "another", ToolOutcome::Failed);
                    }
                    turn = turn.next();
                    attempt = Attempt(1);
                }
            }
            for (call, messages) in &sent {
                let rebuilt = transcript::messages(&log.events, *call).unwrap();
                prop_assert_eq!(&rebuilt, messages);
            }
        }
        // And the conversation only ever grew: what was sent last begins with what was answered before.
        if let Some((_, last)) = sent.last() {
            for (call, messages) in sent.iter().filter(|(call, _)| call.turn < turn) {
                let accepted = log.events.iter().any(|event| matches!(&event.body, EventBody::ModelReplied(replied) if replied.call == *call));
                if accepted && messages.len() < last.len() {
                    prop_assert_eq!(&last[..messages.len()], &messages[..]);
                }
            }
        }
    }
}

#[test]
fn results_come_first_and_in_the_order_of_the_calls_and_a_missing_one_is_refused() {
    let mut log = Log::default();
    log.say("the task");
    let first = CallKey { conversation: Conversation::Main, turn: TurnNumber(1), attempt: Attempt(1) };
    log.begin(first, log.tail());
    log.answer(first, "hello", 2);
    log.result(TurnNumber(1), 1, "second", ToolOutcome::Failed);
    log.say("by the way");
    let second = CallKey { turn: TurnNumber(2), ..first };
    let begun = log.tail();
    log.begin(second, begun);
    let missing = transcript::messages(&log.events, second).unwrap_err();
    assert_eq!(missing.to_string(), "tool call toolu_1_0 has no result");
    log.result(TurnNumber(1), 0, "", ToolOutcome::Ok);
    let messages = transcript::messages(&log.events, second).unwrap();
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
