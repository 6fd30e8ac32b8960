//! The laws of admission: no more active sessions and no more money committed than the quota allows, no session lost, first come
//! first served.

use domain::{AdmissionQueue, Admitted, ExecutionName, MicroDollars, Quota, Reservation, RunNumber};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::support::session_id;

const MAX_COST: MicroDollars = MicroDollars(10_000);
const MAX_SESSIONS: u32 = 3;

#[derive(Debug, Clone)]
enum Move {
    /// A session asks to be admitted with this reservation, in micro-dollars.
    Admit(u64),
    /// The n-th active or queued session ends and has used this share of its reservation, in percent.
    End(usize, u64),
    /// The n-th active or queued session reserves this much more, in micro-dollars.
    Extend(usize, u64),
    Tomorrow,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        5 => (1..4000_u64).prop_map(Move::Admit),
        4 => (0..6_usize, 0..=100_u64).prop_map(|(n, used)| Move::End(n, used)),
        1 => (0..6_usize, 1..2000_u64).prop_map(|(n, more)| Move::Extend(n, more)),
        1 => Just(Move::Tomorrow),
    ];
    prop::collection::vec(one, 1..80)
}

proptest! {
    #[test]
    fn no_order_of_events_admits_more_than_is_allowed(moves in moves()) {
        let quota = Quota { max_concurrent_sessions: Some(MAX_SESSIONS), max_daily_cost: Some(MAX_COST), ..Quota::default() };
        let mut queue = AdmissionQueue::default();
        let mut now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let (mut next, mut paid_today) = (1, 0);
        // Every session that was admitted and has not ended, in order, with its reservation.
        let mut known: Vec<(ExecutionName, u64)> = Vec::new();
        for one in moves {
            match one {
                Move::Admit(reserved) => {
                    let execution = ExecutionName { session: session_id(1), run: RunNumber(next) };
                    next += 1;
                    let slot = Reservation { session: execution.session.clone(), run: execution.run, reserved: MicroDollars(reserved), at: now };
                    let before = queue.clone();
                    match queue.admit(&quota, slot.clone(), now) {
                        Ok(standing) => {
                            prop_assert_eq!(queue.admit(&quota, slot, now), Ok(standing), "asking again changes nothing");
                            prop_assert_eq!(standing == Admitted::Now, known.len() < MAX_SESSIONS as usize);
                            known.push((execution, reserved));
                        }
                        Err(_) => prop_assert_eq!(&queue, &before, "a refusal leaves nothing"),
                    }
                }
                Move::End(n, used) if n < known.len() => {
                    let (execution, reserved) = known.remove(n);
                    let cost = reserved * used / 100;
                    queue.settle(&execution, MicroDollars(cost), now);
                    queue.settle(&execution, MicroDollars(cost), now);
                    paid_today += cost;
                    queue.promote(&quota);
                }
                Move::Extend(n, more) if n < known.len() => {
                    if queue.raise(&quota, &known[n].0, MicroDollars(more), now).is_ok() {
                        known[n].1 += more;
                    }
                }
                Move::End(..) | Move::Extend(..) => {}
                Move::Tomorrow => {
                    now += SignedDuration::from_hours(24);
                    paid_today = 0;
                }
            }
            prop_assert!(queue.active().len() <= MAX_SESSIONS as usize);
            prop_assert!(queue.committed(now) <= MAX_COST);
            prop_assert_eq!(queue.spent(now), MicroDollars(paid_today));
            let inside: Vec<ExecutionName> = queue.active().iter().chain(queue.queued()).map(Reservation::execution).collect();
            let mut expected: Vec<ExecutionName> = known.iter().map(|(execution, _)| execution.clone()).collect();
            prop_assert_eq!(queue.queued().is_empty(), expected.len() <= MAX_SESSIONS as usize, "a free slot is filled");
            let mut sorted = inside.clone();
            sorted.sort();
            expected.sort();
            prop_assert_eq!(sorted, expected, "no session is lost");
            let queued: Vec<RunNumber> = queue.queued().iter().map(|slot| slot.run).collect();
            prop_assert!(queued.is_sorted(), "first come, first served");
        }
    }
}

#[test]
fn a_pattern_covers_no_repository_that_only_looks_alike() {
    let covers = |pattern: &str, url: &str| pattern.parse::<domain::RepositoryPattern>().unwrap().matches(url);
    for (pattern, url) in [
        ("https://github.com/owner/*", "https://github.com/owner/name"),
        ("https://github.com/owner/*", "HTTPS://GitHub.com/owner/name.git/"),
        ("https://github.com/owner/name", "https://github.com/owner/name.git"),
        ("/srv/code/*", "/srv/code/a/b"),
    ] {
        assert!(covers(pattern, url), "{pattern} {url}");
    }
    for (pattern, url) in [
        ("https://github.com/owner/*", "https://github.com/owner"),
        ("https://github.com/owner/*", "https://github.com/owner2/name"),
        ("https://github.com/owner/*", "https://github.com/owner/../other/name"),
        ("https://github.com/owner/*", "https://github.com/owner/%2e%2e/other/name"),
        ("https://github.com/owner/*", "https://github.com.evil.example/owner/name"),
        ("https://github.com/owner/*", "https://evil.example/https://github.com/owner/name"),
        ("https://github.com/owner/*", "http://github.com/owner/name"),
        ("https://github.com/owner/name", "https://github.com/owner/name2"),
        ("/srv/code/*", "/srv/code/../other"),
        ("/srv/code/*", "/srv/code//x"),
        ("/srv/code/*", "file:///srv/code/x"),
    ] {
        assert!(!covers(pattern, url), "{pattern} {url}");
    }
}
