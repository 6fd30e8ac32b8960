//! Drives a session in this process, and prints its progress.

use std::sync::Arc;
use std::time::Duration;

use asl::Interpreter;
use domain::ports::EventLog as _;
use domain::{Seq, Session, SessionId, public_event};

use super::exit::ExitCode;
use super::output::Output;
use super::{progress, report};
use crate::driver::{DriveOutcome, WaitPolicy, drive_session};
use crate::world::World;

/// Drives a session until its run ends or waits for the user, prints what happens after `seen`, and reports the outcome.
///
/// A fault of this machine is printed and becomes an exit code: the session stays in its log and can be resumed.
pub(super) async fn drive_and_report(
    world: &World,
    interpreter: &Arc<Interpreter>,
    session: &Session,
    seen: Seq,
    output: &Output,
) -> ExitCode {
    let id = &session.id;
    let driven = async {
        let Some(outcome) = drive_and_print(world, interpreter, id, seen, output).await? else {
            return anyhow::Ok(None);
        };
        if let Some(trace) = world.trace_of(session) {
            output.progress(&format!("\n{trace}"));
        }
        Ok(Some(report::outcome(world, id, outcome, output).await?))
    };
    match driven.await {
        Ok(Some(code)) => code,
        Ok(None) => {
            output.progress("Recorded. Another process drives this session and continues with it.");
            ExitCode::Success
        }
        Err(error) => {
            let stopped = format!("session {id} stopped. Resume with: backspace sessions resume {id}. Cause");
            output.error(&error.context(stopped));
            ExitCode::MachineFault
        }
    }
}

/// Drives a session and prints its events while they are written. Returns none when another process drives it.
async fn drive_and_print(
    world: &World,
    interpreter: &Arc<Interpreter>,
    session: &SessionId,
    mut seen: Seq,
    output: &Output,
) -> anyhow::Result<Option<DriveOutcome>> {
    let driving = drive_session(world, interpreter, session, WaitPolicy::Release);
    tokio::pin!(driving);
    let outcome = loop {
        tokio::select! {
            outcome = &mut driving => break outcome,
            waited = world.store.wait(session, seen, Duration::from_secs(1)) => {
                waited?;
                seen = print_new(world, session, seen, output).await?;
            }
        }
    };
    // Events that were written before a failure are printed, too.
    print_new(world, session, seen, output).await?;
    outcome
}

async fn print_new(world: &World, session: &SessionId, seen: Seq, output: &Output) -> anyhow::Result<Seq> {
    let mut last = seen;
    for event in domain::read_all(&world.store, session, seen).await? {
        if !event.follows_end() {
            progress::print(&public_event(session, &event), output);
        }
        last = event.seq;
    }
    Ok(last)
}
