//! Sends a command to a session, and continues the session.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use domain::SessionId;
use serde_json::Value;

use crate::cli::attach::{self, Cursor};
use crate::cli::client::Client;
use crate::cli::drive::drive_and_report;
use crate::cli::exit::ExitCode;
use crate::cli::model_source::ModelSource;
use crate::cli::output::Output;
use crate::driver::DriveOutcome;
use crate::world::World;

/// How the session continues after the command, when no other process drives it.
#[derive(Debug, Args)]
pub(in crate::cli) struct ContinueArgs {
    /// Replay the model's replies from a script instead of calling a model
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Record the command and return, without running the session
    #[arg(long)]
    no_wait: bool,
}

/// What a command works with.
pub(super) struct Context<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) client: &'a Client,
    pub(super) output: &'a Output,
}

/// Whether continuing the session may call the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelUse {
    Possible,
    /// The run only has to end, so no key is needed.
    None,
}

impl Context<'_> {
    /// Sends a command to a session's route `action`, and continues the session.
    pub(super) async fn send(
        &self,
        session: &SessionId,
        action: &str,
        body: Value,
        continuation: ContinueArgs,
        model_use: ModelUse,
    ) -> anyhow::Result<ExitCode> {
        // Read before the command is sent, so that its own events are shown.
        let after = self.world.log(session).await?.state().tail.0;
        self.client.post(&format!("/sessions/{session}/{action}"), &body).await?;
        self.continue_session(session, after, continuation, model_use).await
    }

    /// Watches the session where a server drives it, and otherwise drives it in this process.
    pub(super) async fn continue_session(
        &self,
        session: &SessionId,
        after: u64,
        continuation: ContinueArgs,
        model_use: ModelUse,
    ) -> anyhow::Result<ExitCode> {
        match self.client {
            Client::InProcess(_) => self.drive(session, continuation, model_use).await,
            Client::Server(_) if continuation.no_wait => Ok(ExitCode::Success),
            Client::Server(server) => {
                let cursor = Cursor::new(session.as_str(), after);
                attach::watch_and_report(self.world, server, None, cursor, self.output).await
            }
        }
    }

    async fn drive(
        &self,
        session: &SessionId,
        continuation: ContinueArgs,
        model_use: ModelUse,
    ) -> anyhow::Result<ExitCode> {
        let log = self.world.log(session).await?;
        let status = log.state().status().context("the session has no run")?;
        if status.is_terminal() {
            self.output.progress(&format!("Session {session} is over: {status}."));
            let finished = log.state().run().and_then(|run| run.finished.as_ref());
            let left_out = finished.map(|finished| finished.left_out.as_slice()).unwrap_or_default();
            return Ok(ExitCode::of(DriveOutcome::Ended(status), left_out));
        }
        if continuation.no_wait {
            self.output.progress(&format!("Recorded. Resume with: backspace sessions resume {session}"));
            return Ok(ExitCode::Success);
        }
        let fixed = log.state().session.clone().context("the session's log does not begin with session.created")?;
        let model = ModelSource::new(continuation.script.as_deref()).await?;
        let interpreter = match model_use {
            ModelUse::Possible => model.interpreter(self.world)?,
            ModelUse::None => model.interpreter_for_ending(self.world)?,
        };
        Ok(drive_and_report(self.world, &interpreter, &fixed, log.state().tail, self.output).await)
    }
}
