//! `backspace sessions`: looks at sessions and steers them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use domain::{MicroDollars, PlanId, SessionId, Status};
use serde_json::{Value, json};

use super::attach::{self, Seen};
use super::client::Client;
use super::code::drive_and_conclude;
use super::exit::ExitCode;
use super::follow;
use super::output::Output;
use super::parts::Model;
use crate::driver::{self, Stopped};
use crate::settings::Settings;
use crate::world::{KeepTree, World};

#[derive(Debug, Subcommand)]
pub(super) enum Sessions {
    /// Lists sessions, newest first.
    List {
        /// The most to list.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Shows a session: status, plan, cost, pull request.
    Show { session: SessionId },
    /// Shows what happened in a session.
    Events {
        session: SessionId,
        /// Only what came after this event.
        #[arg(long, default_value_t = 0, value_name = "ID")]
        after: u64,
    },
    /// Says something to a session: answers its question, steers it, or has it go on after its end.
    Message {
        session: SessionId,
        text: String,
        #[command(flatten)]
        drive: Drive,
    },
    /// Approves the plan that waits.
    Approve {
        session: SessionId,
        /// The plan you saw.
        #[arg(long)]
        plan: PlanId,
        #[command(flatten)]
        drive: Drive,
    },
    /// Rejects the plan that waits. With a message it is made again, without one the run ends.
    Reject {
        session: SessionId,
        /// What should be different.
        #[arg(long)]
        message: Option<String>,
        #[command(flatten)]
        drive: Drive,
    },
    /// Lets a session use more.
    Extend {
        session: SessionId,
        /// So many more turns.
        #[arg(long, default_value_t = 0)]
        turns: u32,
        /// So many more dollars.
        #[arg(long, default_value = "0", value_name = "DOLLARS")]
        cost: MicroDollars,
        /// So many more minutes.
        #[arg(long, default_value_t = 0)]
        minutes: u32,
        #[command(flatten)]
        drive: Drive,
    },
    /// Goes on with a session whose process ended before its time.
    Resume {
        session: SessionId,
        #[command(flatten)]
        drive: Drive,
    },
    /// Ends a session's run.
    Cancel {
        session: SessionId,
        /// Publishes the work so far as a branch.
        #[arg(long)]
        keep_branch: bool,
        #[command(flatten)]
        drive: Drive,
    },
}

/// How the session goes on, when no other process drives it.
#[derive(Debug, clap::Args)]
pub(super) struct Drive {
    /// Plays this script instead of asking a model.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Only takes the word down; `sessions resume` goes on with it.
    #[arg(long)]
    no_wait: bool,
}

impl Sessions {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        let world = Arc::new(World::new(settings, KeepTree::No)?);
        let client = Client::of(&world).await?;
        if matches!(client, Client::Here(_)) {
            driver::recover(&world).await?;
        }
        let here = Here { world: &world, client: &client, output };
        match self {
            Self::List { limit } => list(&here, limit).await,
            Self::Show { session } => show(&here, &session).await,
            Self::Events { session, after } => events(&here, &session, after).await,
            Self::Message { session, text, drive } => {
                here.say(&session, "messages", json!({ "text": text }), drive, Needs::Model).await
            }
            Self::Approve { session, plan, drive } => {
                here.say(&session, "approve", json!({ "plan": plan }), drive, Needs::Model).await
            }
            Self::Reject { session, message, drive } => {
                let needs = if message.is_some() { Needs::Model } else { Needs::NoModel };
                here.say(&session, "reject", json!({ "message": message }), drive, needs).await
            }
            Self::Extend { session, turns, cost, minutes, drive } => {
                let more = json!({ "turns": turns, "costUsd": cost.as_dollars(), "minutes": minutes });
                here.say(&session, "extend", more, drive, Needs::Model).await
            }
            Self::Resume { session, drive } => {
                let after = driver::open(&world, &session).await?.state().tail.0;
                here.go_on(&session, after, drive, Needs::Model).await
            }
            Self::Cancel { session, keep_branch, drive } => {
                match here.say(&session, "cancel", json!({ "keepBranch": keep_branch }), drive, Needs::NoModel).await? {
                    // That it was cancelled is what was wanted.
                    ExitCode::Stopped => Ok(ExitCode::Done),
                    other => Ok(other),
                }
            }
        }
    }
}

/// What a command works with.
struct Here<'a> {
    world: &'a Arc<World>,
    client: &'a Client,
    output: &'a Output,
}

impl Here<'_> {
    /// Says something to a session, and goes on with it.
    async fn say(
        &self,
        session: &SessionId,
        what: &str,
        body: Value,
        drive: Drive,
        needs: Needs,
    ) -> anyhow::Result<ExitCode> {
        // What is said, and what follows from it, comes after this.
        let after = driver::open(self.world, session).await?.state().tail.0;
        self.client.post(&format!("/sessions/{session}/{what}"), &body).await?;
        self.go_on(session, after, drive, needs).await
    }

    async fn go_on(&self, session: &SessionId, after: u64, drive: Drive, needs: Needs) -> anyhow::Result<ExitCode> {
        match self.client {
            Client::Here(_) => go_on(self.world, session, drive, needs, self.output).await,
            Client::Server(_) if drive.no_wait => Ok(ExitCode::Done),
            Client::Server(server) => {
                attach::watch_and_report(self.world, server, None, Seen::of(session.as_str(), after), self.output).await
            }
        }
    }
}

/// Whether what is due may ask the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// It may.
    Model,
    /// The run only comes to its end.
    NoModel,
}

/// Goes on with a session, unless another process does or nothing is due.
async fn go_on(
    world: &World,
    session: &SessionId,
    drive: Drive,
    needs: Needs,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let log = driver::open(world, session).await?;
    let status = log.state().status().context("the session has no run")?;
    let fixed = log.state().session.clone().context("the session's log does not begin with it")?;
    if status.is_terminal() || drive.no_wait {
        match status.is_terminal() {
            true => output.tell(&format!("The session is {status}.")),
            false => output.tell(&format!("Taken down. Go on with: backspace sessions resume {session}")),
        }
        return Ok(if status.is_terminal() { ExitCode::of(Stopped::Ended(status)) } else { ExitCode::Done });
    }
    let model = Model::of(drive.script.as_deref()).await?;
    let interpreter = match needs {
        Needs::Model => model.interpreter(world)?,
        Needs::NoModel => model.interpreter_for_ending(world)?,
    };
    drive_and_conclude(world, &interpreter, &fixed, log.state().tail, output).await
}

async fn list(here: &Here<'_>, limit: usize) -> anyhow::Result<ExitCode> {
    let (mut listed, mut cursor) = (0, String::new());
    while listed < limit {
        let page = here.client.get(&format!("/sessions?limit={}{cursor}", (limit - listed).min(100))).await?;
        for session in page["sessions"].as_array().into_iter().flatten() {
            here.output.value(session);
            here.output.answer(&line_of(here, session).await?);
            listed += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if listed == 0 {
        here.output.tell("There are no sessions yet. `backspace demo` shows one.");
    }
    Ok(ExitCode::Done)
}

async fn line_of(here: &Here<'_>, session: &Value) -> anyhow::Result<String> {
    let of = |name: &str| session[name].as_str().unwrap_or_default();
    let id: SessionId = of("id").parse()?;
    let status: Status = serde_json::from_value(session["status"].clone())?;
    // What nobody drives goes on only when somebody resumes it.
    let alone = matches!(here.client, Client::Here(_))
        && !status.is_terminal()
        && !waits(here.world, &id, status).await
        && here.world.locks.take(&id)?.is_some();
    let word = if alone { "interrupted" } else { status.name() };
    let cost = MicroDollars::from_dollars(session["costUsd"].as_f64().unwrap_or_default())?;
    let pull_request = session["pr_url"].as_str().unwrap_or("-");
    Ok(format!("{id}  {word:<13} {cost:>10}  {}  {pull_request}", of("title")))
}

/// Whether a session waits for a person, who has not answered yet.
async fn waits(world: &World, session: &SessionId, status: Status) -> bool {
    status == Status::AwaitingUser && driver::open(world, session).await.is_ok_and(|log| log.state().wait.is_some())
}

async fn show(here: &Here<'_>, session: &SessionId) -> anyhow::Result<ExitCode> {
    let view = here.client.get(&format!("/sessions/{session}")).await?;
    here.output.value(&view);
    let of = |name: &str| view[name].as_str().unwrap_or_default();
    let totals = &view["totals"];
    let mut lines = vec![
        format!("session     {session}"),
        format!("repository  {}", of("repoUrl")),
        format!("prompt      {}", of("prompt").lines().next().unwrap_or_default()),
        format!("run {}       {}", view["run"], of("status")),
    ];
    if let Some(title) = view["plan"]["title"].as_str() {
        lines.push(format!("plan        {title}"));
    }
    let cost = MicroDollars(totals["cost"].as_u64().unwrap_or_default());
    lines.push(format!(
        "used        {} turns, {} tool calls, {cost}, {} s at work",
        totals["turns"],
        totals["toolCalls"],
        totals["activeMs"].as_u64().unwrap_or_default() / 1000
    ));
    if view["summary"].is_string() {
        lines.push(format!("summary     {}", of("summary")));
    }
    here.output.answer(&lines.join("\n"));
    report_state(here.world, driver::open(here.world, session).await?.state(), here.output).await?;
    Ok(ExitCode::Done)
}

async fn events(here: &Here<'_>, session: &SessionId, mut after: u64) -> anyhow::Result<ExitCode> {
    loop {
        let page = here.client.get(&format!("/sessions/{session}/events?after={after}&limit=1000")).await?;
        let events = page["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        for frame in events {
            let of = |name: &str| frame[name].as_str().unwrap_or_default();
            here.output.answer(&format!("{:>5}  {}  {:<22} {}", frame["id"], of("at"), of("kind"), of("message")));
            here.output.value(frame);
        }
        if events.is_empty() {
            return Ok(ExitCode::Done);
        }
        after = page["nextAfter"].as_u64().unwrap_or(u64::MAX);
    }
}

/// Says where a session stands and what can be done next.
pub(super) async fn report(
    world: &World,
    session: &SessionId,
    stopped: Stopped,
    output: &Output,
) -> anyhow::Result<()> {
    let log = driver::open(world, session).await?;
    match stopped {
        Stopped::AwaitingUser | Stopped::Ended(Status::Done | Status::Cancelled) => {
            report_state(world, log.state(), output).await
        }
        Stopped::Ended(_) => Ok(()),
        Stopped::Interrupted => {
            output.answer(&format!("\nInterrupted. Go on with: backspace sessions resume {session}"));
            Ok(())
        }
    }
}

async fn report_state(world: &World, state: &domain::state::SessionState, output: &Output) -> anyhow::Result<()> {
    if let (Some(wait), Some(session)) = (&state.wait, &state.session) {
        output.answer(&format!("\nThe session waits for you until {}:", wait.deadline));
        output.answer(&follow::how_to_answer(&session.id, &wait.reason));
    }
    let Some(branch) = &state.branch else { return Ok(()) };
    let Some(base) = &state.base else { return Ok(()) };
    let repository = world.forge.repository_of(&base.repository);
    if let Some(opened) = &state.pull_request {
        output.answer(&format!("\npull request  {}", opened.pr_url));
        if let Some(reason) = &opened.draft {
            output.answer(&format!("draft         {reason}"));
        }
        if let Some(record) = world.forge.pull_request(&base.repository, opened.number)? {
            output.answer(&record.stat);
        }
    }
    output.answer(&format!("branch        {}", branch.branch));
    let path = repository.display().to_string().replace('\'', "'\\''");
    output.answer(&format!("get it with   git fetch '{path}' {}", branch.branch));
    Ok(())
}
