//! `backspace code`: from a prompt to a pull request.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use asl::Interpreter;
use clap::Args;
use domain::commands::{Start, start};
use domain::{Principal, Seq, Session, UncheckedLimits, UncheckedRequest};
use http::Method;

use super::attach::{self, Seen};
use super::client::ServerClient;
use super::exit::ExitCode;
use super::output::Output;
use super::parts::Model;
use super::{follow, sessions};
use crate::driver::Stopped;
use crate::server;
use crate::settings::Settings;
use crate::world::{KeepTree, World};

#[derive(Debug, Args)]
pub(super) struct Code {
    /// The repository: a path or an address.
    repository: String,
    /// What is to be done; `-` reads it from standard input.
    prompt: String,
    /// The branch to start from; the default branch when left out.
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// The model.
    #[arg(long)]
    model: Option<String>,
    /// The most replies of the model.
    #[arg(long, value_name = "N")]
    max_turns: Option<u32>,
    /// The most it may cost, in dollars.
    #[arg(long, value_name = "DOLLARS")]
    max_cost: Option<f64>,
    /// The most minutes at work.
    #[arg(long, value_name = "N")]
    max_minutes: Option<u32>,
    /// Waits for the plan to be approved.
    #[arg(long)]
    approve_plan: bool,
    /// Opens the pull request as a draft.
    #[arg(long, conflicts_with = "branch_only")]
    draft: bool,
    /// Publishes a branch and opens no pull request.
    #[arg(long)]
    branch_only: bool,
    /// Plays this script instead of asking a model.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Shows the session's trace at the end.
    #[arg(long)]
    trace: bool,
}

impl Code {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        // A server that runs drives the session; its model and its settings count.
        if self.script.is_none()
            && !self.trace
            && let Some(server) = ServerClient::find(&settings).await
        {
            let world = World::new(settings, KeepTree::No)?;
            let draft = self.request(&world)?;
            output.tell("A server runs for this directory; it drives the session.");
            let frames = server.stream(Method::POST, "/code", Some(&serde_json::to_value(&draft)?)).await?;
            return attach::watch_and_report(&world, &server, Some(frames), Seen::of("", 0), output).await;
        }
        let model = Model::of(self.script.as_deref()).await?;
        let keep = if self.trace { KeepTree::Yes } else { KeepTree::No };
        let world = World::new(settings, keep)?;
        let draft = self.request(&world)?;
        carry_out(&world, &model, draft, output).await
    }

    fn request(self, world: &World) -> anyhow::Result<UncheckedRequest> {
        let prompt = match self.prompt.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()).context("cannot read the prompt")?,
            _ => self.prompt,
        };
        let default_cost = world.settings.max_cost.map(domain::MicroDollars::as_dollars);
        Ok(UncheckedRequest {
            repo_url: absolute(&self.repository),
            prompt,
            base_branch: self.base,
            model: self.model,
            limits: Some(UncheckedLimits {
                max_turns: self.max_turns,
                max_cost_usd: self.max_cost.or(default_cost),
                max_minutes: self.max_minutes,
            }),
            require_plan_approval: self.approve_plan,
            auto_create_pr: Some(!self.branch_only),
            draft: self.draft,
        })
    }
}

/// A path that stays right when the working directory is another; addresses stay as they are.
fn absolute(repository: &str) -> String {
    if repository.contains("://") {
        return repository.to_owned();
    }
    // The short form of ssh addresses, as git knows it: a colon before the first slash.
    if let Some((host, path)) = repository.split_once(':')
        && host.contains('@')
        && !host.contains('/')
    {
        return format!("ssh://{host}/{}", path.trim_start_matches('/'));
    }
    std::path::absolute(repository).map_or_else(|_| repository.to_owned(), |path| path.display().to_string())
}

/// Starts a session and shows it to its end, or until it waits.
pub(super) async fn carry_out(
    world: &World,
    model: &Model,
    draft: UncheckedRequest,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let interpreter = model.interpreter(world)?;
    crate::driver::recover(world).await?;
    let request = draft.check(&world.settings.model)?;
    model.introduce(world, output);
    let owner: Principal = server::OWNER.parse()?;
    let started = start(&world.services(), Start { owner, request, setup: world.setup()?, key: None }).await?;
    let session = started.session;
    output.tell(&format!("session  {}\n", session.id));
    drive_and_conclude(world, &interpreter, &session, Seq(0), output).await
}

/// Shows a session that exists to its end, or until it waits. What goes wrong here leaves it where it stands.
pub(super) async fn drive_and_conclude(
    world: &World,
    interpreter: &Arc<Interpreter>,
    session: &Session,
    seen: Seq,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let driven = async {
        let stopped = follow::drive(world, interpreter, &session.id, seen, output).await?;
        if let Some(stopped) = stopped {
            conclude(world, session, stopped, output).await?;
        }
        anyhow::Ok(stopped)
    };
    match driven.await {
        Ok(Some(stopped)) => Ok(ExitCode::of(stopped)),
        Ok(None) => {
            output.tell("Taken down; the process that drives the session goes on with it.");
            Ok(ExitCode::Done)
        }
        Err(error) => {
            let id = &session.id;
            output.error(
                &error.context(format!("session {id} stopped here; go on with: backspace sessions resume {id}")),
            );
            Ok(ExitCode::Broken)
        }
    }
}

/// Says how it ended and what can be done next.
async fn conclude(world: &World, session: &Session, stopped: Stopped, output: &Output) -> anyhow::Result<()> {
    world.flush_traces().await;
    if let Some(trace) = world.trace_of(session) {
        output.tell(&format!("\n{trace}"));
    }
    sessions::report(world, &session.id, stopped, output).await
}
