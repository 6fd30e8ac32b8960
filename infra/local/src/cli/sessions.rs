//! `backspace sessions`: looks at sessions and steers them.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use domain::commands::{approve, cancel, extend, message, reject};
use domain::ports::{SessionSummary, Sessions as _};
use domain::{BudgetExtended, Keep, MicroDollars, PlanId, Seq, SessionId, Status, frame};
use serde_json::json;

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
        let world = World::new(settings, KeepTree::No)?;
        driver::tidy_up(&world).await?;
        match self {
            Self::List { limit } => list(&world, limit, output).await,
            Self::Show { session } => show(&world, &session, output).await,
            Self::Events { session, after } => events(&world, &session, Seq(after), output).await,
            Self::Message { session, text, drive } => {
                message(&world.desk(), &session, &text).await?;
                go_on(&world, &session, drive, Needs::Model, output).await
            }
            Self::Approve { session, plan, drive } => {
                approve(&world.desk(), &session, &plan).await?;
                go_on(&world, &session, drive, Needs::Model, output).await
            }
            Self::Reject { session, message, drive } => {
                reject(&world.desk(), &session, message.as_deref()).await?;
                let needs = if message.is_some() { Needs::Model } else { Needs::NoModel };
                go_on(&world, &session, drive, needs, output).await
            }
            Self::Extend { session, turns, cost, minutes, drive } => {
                extend(&world.desk(), &session, BudgetExtended { turns, cost, minutes }).await?;
                go_on(&world, &session, drive, Needs::Model, output).await
            }
            Self::Resume { session, drive } => go_on(&world, &session, drive, Needs::Model, output).await,
            Self::Cancel { session, keep_branch, drive } => {
                let keep = if keep_branch { Keep::Branch } else { Keep::Nothing };
                cancel(&world.desk(), &session, keep).await?;
                match go_on(&world, &session, drive, Needs::NoModel, output).await? {
                    // That it was cancelled is what was wanted.
                    ExitCode::Stopped => Ok(ExitCode::Done),
                    other => Ok(other),
                }
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
    let journal = driver::open(world, session).await?;
    let status = journal.state().status().context("the session has no run")?;
    let fixed = journal.state().session.clone().context("the session's log does not begin with it")?;
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
    drive_and_conclude(world, &interpreter, &fixed, journal.state().tail, output).await
}

/// Whether a session waits for a person, who has not answered yet.
async fn waits(world: &World, summary: &SessionSummary) -> bool {
    if summary.status != Status::AwaitingUser {
        return false;
    }
    driver::open(world, &summary.id).await.is_ok_and(|journal| journal.state().wait.is_some())
}

async fn list(world: &World, limit: usize, output: &Output) -> anyhow::Result<ExitCode> {
    let sessions = world.store.list(None, None, limit.clamp(1, 1000)).await?;
    for summary in &sessions {
        output.value(&serde_json::to_value(summary)?);
        let pull_request = summary.pr_url.as_deref().unwrap_or("-");
        // What nobody drives goes on only when somebody resumes it.
        let alone =
            !summary.status.is_terminal() && !waits(world, summary).await && world.locks.take(&summary.id)?.is_some();
        let status = if alone { "interrupted" } else { summary.status.name() };
        output.answer(&format!("{}  {status:<13} {:>10}  {}  {pull_request}", summary.id, summary.cost, summary.title));
    }
    if sessions.is_empty() {
        output.tell("There are no sessions yet. `backspace demo` shows one.");
    }
    Ok(ExitCode::Done)
}

async fn show(world: &World, session: &SessionId, output: &Output) -> anyhow::Result<ExitCode> {
    let journal = driver::open(world, session).await?;
    let state = journal.state();
    let (Some(fixed), Some(run)) = (&state.session, state.run()) else { bail!("the session's log is not complete") };
    let totals = run.totals();
    output.value(&json!({
        "id": fixed.id,
        "repoUrl": fixed.request.repo_url,
        "prompt": fixed.request.prompt,
        "model": fixed.request.model,
        "createdAt": fixed.created_at,
        "run": run.number,
        "status": run.status,
        "waitsFor": state.wait.as_ref().map(|wait| &wait.reason),
        "plan": state.plan.as_ref().map(|plan| &plan.content),
        "todo": state.todo,
        "totals": totals,
        "branch": state.branch.as_ref().map(|branch| &branch.branch),
        "pr_url": state.pull_request.as_ref().map(|opened| &opened.pr_url),
        "summary": run.finished.as_ref().map(|finished| &finished.summary),
    }));
    let mut lines = vec![
        format!("session     {}", fixed.id),
        format!("repository  {}", fixed.request.repo_url),
        format!("prompt      {}", fixed.request.prompt.lines().next().unwrap_or_default()),
        format!("run {}       {}", run.number, run.status),
    ];
    if let Some(plan) = &state.plan {
        lines.push(format!("plan        {}", plan.content.title));
    }
    lines.push(format!(
        "used        {} turns, {} tool calls, {}, {} s at work",
        totals.turns,
        totals.tool_calls,
        totals.cost,
        totals.active_ms / 1000
    ));
    if let Some(finished) = &run.finished {
        lines.push(format!("summary     {}", finished.summary));
    }
    output.answer(&lines.join("\n"));
    report_state(world, state, output).await?;
    Ok(ExitCode::Done)
}

async fn events(world: &World, session: &SessionId, after: Seq, output: &Output) -> anyhow::Result<ExitCode> {
    // A session that does not exist is an error, not an empty list.
    driver::open(world, session).await?;
    for event in domain::read_all(&world.store, session, after).await? {
        let shown = frame(session, &event);
        output.answer(&format!(
            "{:>5}  {}  {:<22} {}",
            event.seq,
            event.at,
            event.body.kind(),
            shown["message"].as_str().unwrap_or_default()
        ));
        output.value(&shown);
    }
    Ok(ExitCode::Done)
}

/// Says where a session stands and what can be done next.
pub(super) async fn report(
    world: &World,
    session: &SessionId,
    stopped: Stopped,
    output: &Output,
) -> anyhow::Result<()> {
    let journal = driver::open(world, session).await?;
    match stopped {
        Stopped::AwaitingUser | Stopped::Ended(Status::Done | Status::Cancelled) => {
            report_state(world, journal.state(), output).await
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
