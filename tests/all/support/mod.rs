//! What the scenarios share.

mod played;
mod program;
mod script;
mod serve;

pub(crate) use played::{Played, last_blocks, play, play_over};
pub(crate) use program::{Home, Ran, contents, fixture, git, program, repository};
pub(crate) use script::{bash, ends, plan, script, tools};
pub(crate) use serve::{Frames, Served, answer, asks, frames, ids};

use domain::{
    Delivery, Event, EventBody, Limits, PlanApproval, RawJson, Request, RunNumber, RunStarted, Seq, Session,
    SessionCreated, SessionId, Setup, TraceContext,
};

/// The n-th session id.
pub(crate) fn session_id(n: u8) -> SessionId {
    format!("01K0000000000000000000000{}", char::from(b'0' + n)).parse().unwrap()
}

/// A session as it is created.
pub(crate) fn session(id: &SessionId) -> Session {
    Session {
        id: id.clone(),
        owner: "local".parse().unwrap(),
        created_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        request: Request {
            repo_url: "/repository".to_owned(),
            prompt: "Do it.".to_owned(),
            base_branch: None,
            model: "claude-sonnet-5-5".to_owned(),
            limits: Limits::default(),
            plan_approval: PlanApproval::NotRequired,
            delivery: Delivery::PullRequest,
        },
        trace: TraceContext {
            trace_id: "6740a1b2c3d4e5f60718293a4b5c6d7e".parse().unwrap(),
            root_span_id: "00000000000000ff".parse().unwrap(),
        },
        setup: Setup {
            prompts_version: "1".to_owned(),
            system: "system".to_owned(),
            tools: RawJson::parse("[]").unwrap(),
            plan_system: "plan".to_owned(),
            plan_schema: RawJson::parse("{}").unwrap(),
            max_tokens: 1000,
            context_tokens: domain::DEFAULT_CONTEXT_TOKENS,
        },
    }
}

/// The first events of a session.
pub(crate) fn opening(id: &SessionId) -> Vec<Event> {
    let session = session(id);
    let root = session.trace.root_span_id.clone();
    let bodies: [EventBody; 2] = [
        SessionCreated { session: session.clone() }.into(),
        RunStarted { root_span_id: root.clone(), limits: Limits::default(), queued: None }.into(),
    ];
    let event = |(body, seq): (EventBody, u64)| Event {
        seq: Seq(seq),
        at: session.created_at,
        run: RunNumber(1),
        writer: None,
        trace_id: session.trace.trace_id.clone(),
        span_id: root.clone(),
        body,
    };
    bodies.into_iter().zip(1..).map(event).collect()
}
