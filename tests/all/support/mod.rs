//! What the scenarios share.

mod faulty_ports;
mod intercepted;
mod memory;
mod program;
mod repository;
mod running;
mod script;
mod server;
mod session_run;

pub(crate) use faulty_ports::FaultyPorts;
pub(crate) use intercepted::{Hooks, Intercepted};
pub(crate) use memory::{MemoryBlobs, MemoryLog, MemoryRecords};
pub(crate) use program::{Home, ProgramOutput, program};
pub(crate) use repository::{PublishedBranch, contents, copy_directory, fixture, git, repository};
pub(crate) use running::RunningProgram;
pub(crate) use script::{bash, ends, plan, script, tools};
pub(crate) use server::{Frames, ServerProcess, answer, code_request, frames, ids};
pub(crate) use session_run::{
    FastForward, SessionRun, last_blocks, run_session, run_session_in, run_session_with, settings, sonnet_price,
    start_request, world,
};

use std::path::Path;
use std::sync::Arc;

use domain::{
    Delivery, Event, EventBody, Limits, PlanApproval, RawJson, Request, RunNumber, RunStarted, Seq, Session,
    SessionCreated, SessionId, Setup, TraceContext,
};
use local::{DirectoryBlobs, Store};

/// The store in a directory, with the blobs beside it.
pub(crate) fn store(directory: &Path) -> Store {
    Store::open(directory, Arc::new(DirectoryBlobs::new(directory.join("blobs")))).unwrap()
}

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
            network: domain::Network::None,
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
            checks: None,
        },
    }
}

/// An event of a session's first run, at the time at which sessions of tests are created.
pub(crate) fn event(seq: Seq, body: impl Into<EventBody>) -> Event {
    let Session { created_at, trace, .. } = session(&session_id(1));
    Event {
        seq,
        at: created_at,
        run: RunNumber(1),
        writer: None,
        command: None,
        trace_id: trace.trace_id,
        span_id: trace.root_span_id,
        body: body.into(),
    }
}

/// The first events of a session.
pub(crate) fn opening_events(id: &SessionId) -> Vec<Event> {
    let session = session(id);
    let root_span_id = session.trace.root_span_id.clone();
    vec![
        event(Seq(1), SessionCreated { session }),
        event(Seq(2), RunStarted { root_span_id, limits: Limits::default(), queued: None }),
    ]
}
