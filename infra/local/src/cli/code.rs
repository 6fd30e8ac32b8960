//! `backspace code`: from a prompt to a pull request.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use domain::commands::{Start, start};
use domain::{Network, Seq, UncheckedLimits, UncheckedRequest};
use http::Method;

use super::attach::{self, Cursor};
use super::client::ServerClient;
use super::drive::drive_and_report;
use super::exit::ExitCode;
use super::model_source::ModelSource;
use super::output::Output;
use crate::owner::owner;
use crate::recovery;
use crate::settings::Settings;
use crate::world::{KeepTree, World};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backspace code . \"Add a --json flag to the list command\"
  backspace code https://github.com/owner/repository - < prompt.md
  backspace code ../project \"Fix the flaky test\" --approve-plan --max-cost 2

Your checkout is only read: the agent works in a sandbox on the committed state of the base branch,
and publishes a branch that you can fetch.

Ctrl-C interrupts the session; `backspace sessions resume` continues it. While `backspace serve` runs,
the server drives the session, and Ctrl-C only stops watching it.")]
pub(super) struct Code {
    /// Path or address (https, ssh) of the repository
    repository: String,
    /// What the agent should do; `-` reads it from standard input
    prompt: String,
    /// Branch to start from [default: the repository's default branch]
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// Model to use [default: BACKSPACE_MODEL]
    #[arg(long)]
    model: Option<String>,
    /// Maximum replies of the model; when they are used up, the session asks you [default: 100]
    #[arg(long, value_name = "N")]
    max_turns: Option<u32>,
    /// Maximum cost; when it is used up, the session asks you [default: BACKSPACE_MAX_COST_USD, or 5]
    #[arg(long, value_name = "DOLLARS")]
    max_cost: Option<f64>,
    /// Maximum minutes of work, without waiting for you; then the session asks you [default: 60]
    #[arg(long, value_name = "N")]
    max_minutes: Option<u32>,
    /// Wait for your approval of the plan before any work is done
    #[arg(long)]
    approve_plan: bool,
    /// Open the pull request as a draft
    #[arg(long, conflicts_with = "branch_only")]
    draft: bool,
    /// Publish a branch without a pull request
    #[arg(long)]
    branch_only: bool,
    /// What commands in the sandbox reach: none, registries or open [default: BACKSPACE_NETWORK, or none]
    #[arg(long, value_name = "NETWORK")]
    network: Option<Network>,
    /// Replay the model's replies from a script instead of calling a model
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Print the session's trace as a tree at the end
    #[arg(long)]
    trace: bool,
}

impl Code {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        // A server drives the session with its own model and settings, and keeps the trace, so neither can be chosen here.
        if self.script.is_none()
            && !self.trace
            && let Some(server) = ServerClient::connect(&settings).await
        {
            let world = World::new(settings, KeepTree::No)?;
            let request = self.request(&world)?;
            output.progress("A server runs for this directory; it drives the session.");
            let frames = server.stream(Method::POST, "/code", Some(&serde_json::to_value(&request)?)).await?;
            return attach::watch_and_report(&world, &server, Some(frames), Cursor::default(), output).await;
        }
        let model = ModelSource::new(self.script.as_deref()).await?;
        let keep_tree = if self.trace { KeepTree::Yes } else { KeepTree::No };
        let world = World::new(settings, keep_tree)?;
        let request = self.request(&world)?;
        start_and_drive(&world, &model, request, output).await
    }

    fn request(self, world: &World) -> anyhow::Result<UncheckedRequest> {
        let prompt = match self.prompt.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()).context("cannot read the prompt from standard input")?,
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
            network: Some(self.network.unwrap_or(world.settings.network)),
        })
    }
}

/// Makes a path absolute, since a server has another working directory. Addresses stay as they are.
fn absolute(repository: &str) -> String {
    if repository.contains("://") {
        return repository.to_owned();
    }
    // git's short form of ssh addresses, `user@host:path`: a colon before the first slash (git-fetch(1), "GIT URLS").
    if let Some((host, path)) = repository.split_once(':')
        && host.contains('@')
        && !host.contains('/')
    {
        return format!("ssh://{host}/{}", path.trim_start_matches('/'));
    }
    std::path::absolute(repository).map_or_else(|_| repository.to_owned(), |path| path.display().to_string())
}

/// Starts a session in this process, and drives it until its run ends or waits for the user.
pub(super) async fn start_and_drive(
    world: &World,
    model: &ModelSource,
    request: UncheckedRequest,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let interpreter = model.interpreter(world)?;
    recovery::recover(world).await?;
    let request = request.check(&world.settings.model, world.settings.network)?;
    model.print_setup(world, request.network, output);
    let start_request = Start { owner: owner()?, request, setup: world.setup()?, key: None };
    let session = start(&world.services(), start_request).await?.session;
    output.progress(&format!("session  {}\n", session.id));
    Ok(drive_and_report(world, &interpreter, &session, Seq(0), output).await)
}
