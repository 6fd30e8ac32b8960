//! Watches a session that a server drives, and prints its progress.

use std::time::Duration;

use domain::{Status, Step, WaitReason, kinds};
use http::Method;
use serde_json::Value;

use super::client::{Frames, ServerClient};
use super::exit::ExitCode;
use super::output::Output;
use super::progress::{self, parsed};
use super::report;
use crate::driver::DriveOutcome;
use crate::world::World;

/// Maximum attempts in a row to reopen a stream that broke off, over ten seconds.
const MAX_RETRIES: u32 = 20;

const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// How far a session was watched.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    session: String,
    /// Number of the last event that was read.
    after: u64,
    waits_for: Option<WaitReason>,
}

/// How watching ended.
enum WatchEnd {
    Stopped(DriveOutcome),
    ServerUnreachable,
}

impl Cursor {
    /// Starts after an event of a session.
    pub(super) fn new(session: &str, after: u64) -> Self {
        Self { session: session.to_owned(), after, waits_for: None }
    }

    /// Advances over a frame. Returns an outcome when the run ended, or waits for the user.
    fn advance(&mut self, frame: &Value) -> Option<DriveOutcome> {
        if let Some(id) = frame["id"].as_u64() {
            self.after = id;
        }
        if let Some(session) = frame["sessionId"].as_str() {
            session.clone_into(&mut self.session);
        }
        match frame["kind"].as_str().unwrap_or_default() {
            kinds::WAIT_STARTED => self.waits_for = parsed(&frame["reason"]),
            kinds::WAIT_ENDED => self.waits_for = None,
            kinds::STEP_FINISHED if frame["step"] == Step::AwaitUser.name() && self.waits_for.is_some() => {
                return Some(DriveOutcome::AwaitingUser);
            }
            kinds::RUN_FINISHED => {
                return Some(DriveOutcome::Ended(parsed(&frame["status"]).unwrap_or(Status::Failed)));
            }
            _ => {}
        }
        None
    }
}

/// Watches a session until its run ends or waits, over as many streams as that takes.
async fn watch(
    server: &ServerClient,
    mut frames: Option<Frames>,
    cursor: &mut Cursor,
    output: &Output,
) -> anyhow::Result<WatchEnd> {
    let mut retries = 0;
    loop {
        if let Some(stream) = frames.as_mut() {
            while let Some(frame) = stream.next().await {
                retries = 0;
                let stored = frame["id"].is_u64();
                if stored {
                    progress::print(&frame, output);
                }
                if let Some(outcome) = cursor.advance(&frame) {
                    return Ok(WatchEnd::Stopped(outcome));
                }
            }
        }
        retries += 1;
        if retries > MAX_RETRIES {
            return Ok(WatchEnd::ServerUnreachable);
        }
        let path = format!("/sessions/{}/events?after={}", cursor.session, cursor.after);
        frames = server.stream(Method::GET, &path, None).await.ok();
        if frames.is_none() {
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// Watches a session until its run ends or waits, or the user presses Ctrl-C, which does not stop the session. Reports the
/// outcome.
pub(super) async fn watch_and_report(
    world: &World,
    server: &ServerClient,
    frames: Option<Frames>,
    mut cursor: Cursor,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let end = tokio::select! {
        end = watch(server, frames, &mut cursor, output) => Some(end?),
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            None
        }
    };
    let (id, after) = (&cursor.session, cursor.after);
    match end {
        Some(WatchEnd::Stopped(outcome)) => report::outcome(world, &id.parse()?, outcome, output).await,
        Some(WatchEnd::ServerUnreachable) => {
            output.progress(&format!(
                "The server cannot be reached any more. Session {id} resumes when it is started again: backspace serve"
            ));
            Ok(ExitCode::MachineFault)
        }
        None => {
            output.progress(&format!(
                "\nStopped watching; the server continues with the session. See what happens with: \
                 backspace sessions events {id} --after {after}"
            ));
            Ok(ExitCode::Interrupted)
        }
    }
}
