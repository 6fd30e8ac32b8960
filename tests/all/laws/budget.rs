//! A budget follows from its events alone, and never spends more than its limit.

use domain::state::SessionState;
use domain::{
    Attempt, BudgetLimit, BudgetReserved, BudgetSettled, CallKey, Conversation, Event, EventBody, MicroDollars,
    SessionStatus, Step, StepFinished, StepStarted, TurnNumber, Verdict, Writer,
};
use jiff::ToSpan as _;
use proptest::prelude::*;

use crate::support::{opening_events, session_id};

/// The outcome of a call for which money was reserved.
#[derive(Debug, Clone)]
enum Outcome {
    /// It costs this share of the reservation, in percent; the settlement is written this many times.
    Settled { percent: u64, times: u8 },
    /// Its end was not recorded.
    Lost,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (0_u64..=100, 1_u8..3).prop_map(|(percent, times)| Outcome::Settled { percent, times }),
        Just(Outcome::Lost),
    ]
}

fn next(events: &[Event], body: EventBody) -> Event {
    let last = events.last().unwrap();
    Event { seq: last.seq.next(), body, ..last.clone() }
}

proptest! {
    #[test]
    fn spent_is_what_was_settled_plus_reservations_that_never_were(
        calls in proptest::collection::vec((1_u64..2_000_000, outcome()), 1..30),
    ) {
        let mut events = opening_events(&session_id(1));
        let mut expected = 0;
        for (number, (reserved, outcome)) in (1..).zip(calls) {
            let state = SessionState::of(&events);
            let budget = &state.run().unwrap().budget;
            prop_assert_eq!(budget.spent(), MicroDollars(expected));
            prop_assert!(budget.spent() <= budget.limits().max_cost);
            if budget.allows(MicroDollars(reserved)).is_err() {
                continue;
            }
            let call = CallKey { conversation: Conversation::Main, turn: TurnNumber(number), attempt: Attempt(1) };
            events.push(next(&events, BudgetReserved { call, amount: MicroDollars(reserved) }.into()));
            match outcome {
                Outcome::Lost => expected += reserved,
                Outcome::Settled { percent, times } => {
                    let cost = reserved * percent / 100;
                    for _ in 0..times {
                        events.push(next(&events, BudgetSettled { call, cost: MicroDollars(cost) }.into()));
                    }
                    expected += cost;
                }
            }
        }
    }
}

#[test]
fn only_the_time_in_which_a_step_works_is_active() {
    let mut events = opening_events(&session_id(1));
    let mut at = events[0].at;
    let mut write = |events: &mut Vec<Event>, step: Step, minutes: i64, body: EventBody| {
        at += minutes.minutes();
        let writer = Some(Writer { step, attempt: Attempt(1) });
        events.push(Event { at, writer, ..next(events, body) });
    };
    // (step, its minutes, the pause after it)
    for (step, minutes, pause) in
        [(Step::GenerateTurn, 2, 30), (Step::AwaitUser, 600, 0), (Step::ExecuteTool, 3, 60), (Step::OpenPr, 1, 0)]
    {
        write(&mut events, step, 0, StepStarted { step, attempt: Attempt(1), invocation: None, deadline: None }.into());
        let finished = StepFinished {
            step,
            attempt: Attempt(1),
            verdict: Verdict::Turn,
            wait_seconds: None,
            then: None,
            duration_ms: 0,
        };
        write(&mut events, step, minutes, finished.into());
        let waiting = SessionStatus { status: domain::Status::Waiting };
        write(&mut events, step, pause, waiting.into());
    }
    let active = SessionState::of(&events).run().unwrap().budget.active();
    assert_eq!(active.as_secs(), 6 * 60);
}

#[test]
fn minutes_are_near_at_four_fifths_until_they_are_used() {
    let near = |used: i64| {
        let mut events = opening_events(&session_id(1));
        let EventBody::RunStarted(started) = &mut events[1].body else { panic!("a run starts second") };
        started.limits.max_minutes = 10;
        let writer = Some(Writer { step: Step::GenerateTurn, attempt: Attempt(1) });
        let begun = StepStarted { step: Step::GenerateTurn, attempt: Attempt(1), invocation: None, deadline: None };
        let begun = Event { writer, ..next(&events, begun.into()) };
        let at = begun.at + used.minutes();
        events.push(begun);
        // A step counts as active until the last event that it wrote.
        let works = next(&events, SessionStatus { status: domain::Status::Working }.into());
        events.push(Event { at, ..works });
        let again = next(
            &events,
            StepStarted { step: Step::GenerateTurn, attempt: Attempt(2), invocation: None, deadline: None }.into(),
        );
        events.push(again);
        SessionState::of(&events).run().unwrap().budget.nearing()
    };
    assert_eq!(near(7), []);
    assert_eq!(near(8), [(BudgetLimit::Minutes, "2 of 10 active minutes are left".to_owned())]);
    assert_eq!(near(10), []);
}
