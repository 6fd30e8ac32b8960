//! Shows a session that a server drives, until its run is over or waits.

use std::time::Duration;

use domain::{Status, WaitReason};
use http::Method;
use serde_json::Value;

use super::client::{Frames, ServerClient};
use super::exit::ExitCode;
use super::output::Output;
use super::{follow, sessions};
use crate::driver::Stopped;
use crate::world::World;

/// So often in a row a stream is opened again that broke off.
const MAX_RETRIES: u32 = 20;

const PAUSE: Duration = Duration::from_millis(500);

/// What was seen of a session.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Its id.
    pub session: String,
    /// The last event.
    pub after: u64,
    waits: Option<WaitReason>,
}

/// How watching ended.
pub(super) enum Watched {
    /// The run is over, or waits.
    Stopped(Stopped),
    /// The server does not answer any more.
    ServerGone,
}

impl Seen {
    /// Nothing, of a session after some event.
    pub(super) fn of(session: &str, after: u64) -> Self {
        Self { session: session.to_owned(), after, waits: None }
    }

    /// Takes in a frame. Says how the session stands when it goes on no further by itself.
    fn take(&mut self, frame: &Value) -> Option<Stopped> {
        if let Some(id) = frame["id"].as_u64() {
            self.after = id;
        }
        if let Some(session) = frame["sessionId"].as_str() {
            session.clone_into(&mut self.session);
        }
        match frame["kind"].as_str().unwrap_or_default() {
            "wait.started" => self.waits = serde_json::from_value(frame["reason"].clone()).ok(),
            "wait.ended" => self.waits = None,
            "step.finished" if frame["step"] == "await-user" && self.waits.is_some() => {
                return Some(Stopped::AwaitingUser);
            }
            "run.finished" => {
                let status = serde_json::from_value(frame["status"].clone()).unwrap_or(Status::Failed);
                return Some(Stopped::Ended(status));
            }
            _ => {}
        }
        None
    }
}

/// Watches a session to its end, over as many streams as it takes.
pub(super) async fn watch(
    server: &ServerClient,
    mut frames: Option<Frames>,
    seen: &mut Seen,
    output: &Output,
) -> anyhow::Result<Watched> {
    let mut tries = 0;
    loop {
        if let Some(stream) = frames.as_mut() {
            while let Some(frame) = stream.next().await {
                tries = 0;
                let stored = frame["id"].is_u64();
                if stored {
                    follow::show(&frame, output);
                }
                if let Some(stopped) = seen.take(&frame) {
                    return Ok(Watched::Stopped(stopped));
                }
            }
        }
        tries += 1;
        if tries > MAX_RETRIES {
            return Ok(Watched::ServerGone);
        }
        let path = format!("/sessions/{}/events?after={}", seen.session, seen.after);
        frames = server.stream(Method::GET, &path, None).await.ok();
        if frames.is_none() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The same until the user has seen enough; the session goes on without a viewer. Says what can be done next.
pub(super) async fn watch_and_report(
    world: &World,
    server: &ServerClient,
    frames: Option<Frames>,
    mut seen: Seen,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let watched = tokio::select! {
        watched = watch(server, frames, &mut seen, output) => Some(watched?),
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            None
        }
    };
    let id = &seen.session;
    match watched {
        Some(Watched::Stopped(stopped)) => {
            sessions::report(world, &id.parse()?, stopped, output).await?;
            Ok(ExitCode::of(stopped))
        }
        Some(Watched::ServerGone) => {
            output.tell("The server does not answer any more; it goes on with the session when it is started again.");
            Ok(ExitCode::Broken)
        }
        None => {
            output.tell(&format!("\nThe server goes on with it. Look again with: backspace sessions events {id}"));
            Ok(ExitCode::Interrupted)
        }
    }
}
