//! The messages of a request to the model follow from the log, byte for byte, whatever was appended meanwhile.

use domain::transcript::{Texts, TranscriptError, Transcripts};
use domain::{Attempt, Author, CallKey, Conversation, EventBody, RawJson, ToolOutcome, TurnNumber, TurnStarted};
use proptest::prelude::*;
use serde_json::json;

use super::conversation::{Log, happening, messages};

/// The messages of the next call, made by a process that folds the whole log.
fn made(log: &Log, started: &TurnStarted) -> Result<Vec<RawJson>, TranscriptError> {
    let mut transcripts = Transcripts::default();
    log.events.iter().for_each(|event| transcripts.apply(event));
    transcripts.of_mut(started.call.conversation).messages_of_next(&Texts::default(), started)
}

/// The next call, which reads all of the log.
fn next(log: &Log, call: CallKey) -> TurnStarted {
    TurnStarted { call, up_to: log.tail(), model: "m".to_owned(), max_tokens: 1 }
}

proptest! {
    #[test]
    fn the_messages_of_a_turn_can_be_rebuilt_from_every_later_log(
        happenings in proptest::collection::vec(happening(), 1..25),
        late in 0_u64..3,
    ) {
        let mut sent: Vec<(CallKey, Vec<RawJson>)> = Vec::new();
        // A process that makes the messages of every call adds to those of the call before.
        let (mut warm, mut folded) = (Transcripts::default(), 0);
        let mut log = Log::default();
        log.play(happenings, late, |log, started| {
            log.events[folded..].iter().for_each(|event| warm.apply(event));
            folded = log.events.len();
            let messages = warm.of_mut(Conversation::Main).messages_of_next(&Texts::default(), started).unwrap();
            assert_eq!(messages, made(log, started).unwrap());
            sent.push((started.call, messages));
        });
        for (call, sent) in &sent {
            let rebuilt = messages(&log.events, *call);
            prop_assert_eq!(rebuilt.as_ref(), Some(sent));
        }
        // A conversation only grows: its last request begins with the messages of every request that was answered.
        let restart = log.events.iter().rev().find_map(|event| match &event.body {
            EventBody::ContextChanged(changed) => Some((event.seq, changed.begins)),
            _ => None,
        });
        let is_last_conversation = |call: &CallKey| {
            let started = |event: &&domain::Event| matches!(&event.body, EventBody::TurnStarted(started) if started.call == *call);
            let up_to = log.events.iter().find(started).map(|event| event.seq);
            restart.is_none_or(|(at, _)| up_to > Some(at))
        };
        let sent: Vec<_> = sent.into_iter().filter(|(call, _)| is_last_conversation(call)).collect();
        if let Some((_, last)) = sent.last() {
            for (call, messages) in &sent {
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
    let second = next(&log, CallKey { turn: TurnNumber(2), ..first });
    let missing = made(&log, &second).unwrap_err();
    assert_eq!(missing.to_string(), "tool call toolu_1_0 has no result");
    log.result(TurnNumber(1), 0, "", ToolOutcome::Ok);
    let messages = made(&log, &second).unwrap();
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
    let answered = made(&log, &next(&log, first)).unwrap_err();
    assert_eq!(answered.to_string(), "turn 1 is not the next one, which is 2");
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
    log.begin_conversation(TurnNumber(3));
    let third = CallKey { turn: TurnNumber(3), ..first };
    let after = made(&log, &next(&log, third)).unwrap();
    let after: Vec<serde_json::Value> = after.iter().map(|message| message.read().unwrap()).collect();
    assert_eq!(
        after,
        [json!({ "role": "user", "content": [
            { "type": "text", "text": "<the opening>" },
            { "type": "text", "text": "<meanwhile>" },
        ]})]
    );
    log.begin(third, log.tail());

    // A call that is refused as too long is repeated in a new conversation, without the message that it sent.
    log.message(Author::Compaction, "write another note");
    let fourth = CallKey { turn: TurnNumber(4), ..first };
    log.answer(third, "hello again", 0);
    log.begin(fourth, log.tail());
    log.begin_conversation(TurnNumber(4));
    let again = CallKey { attempt: Attempt(2), ..fourth };
    let messages = made(&log, &next(&log, again)).unwrap();
    let only: serde_json::Value = messages[0].read().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(only["content"], json!([{ "type": "text", "text": "<the opening>" }]));
}
