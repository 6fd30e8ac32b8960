//! `backspace sessions`: lists, shows and steers sessions.

mod context;
mod delete;
mod inspect;

use std::sync::Arc;

use clap::Subcommand;
use domain::{MicroDollars, PlanId, SessionId};
use serde_json::json;

use super::client::Client;
use super::exit::ExitCode;
use super::output::Output;
use crate::recovery;
use crate::settings::Settings;
use crate::world::{KeepTree, World};
use context::{Context, ContinueArgs, ModelUse};
use delete::{Age, Pruning};

#[derive(Debug, Subcommand)]
pub(super) enum Sessions {
    /// List sessions, newest first
    List {
        /// Maximum sessions to list
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
    },
    /// Show a session: status, plan, cost, pull request, and what it waits for
    Show {
        /// Id of the session
        session: SessionId,
    },
    /// Print the events of a session
    Events {
        /// Id of the session
        session: SessionId,
        /// Print only events after this one
        #[arg(long, default_value_t = 0, value_name = "ID")]
        after: u64,
    },
    /// Send a message: steer the work, answer a question, change a plan, or continue a finished session
    Message {
        /// Id of the session
        session: SessionId,
        /// What to tell the agent
        text: String,
        #[command(flatten)]
        continuation: ContinueArgs,
    },
    /// Approve the plan that the session waits with
    Approve {
        /// Id of the session
        session: SessionId,
        /// Id of the plan you have seen; approving any other plan fails
        #[arg(long)]
        plan: PlanId,
        #[command(flatten)]
        continuation: ContinueArgs,
    },
    /// Reject the plan that the session waits with
    Reject {
        /// Id of the session
        session: SessionId,
        /// What should be different: the agent makes another plan. Without it the run ends
        #[arg(long, value_name = "TEXT")]
        message: Option<String>,
        #[command(flatten)]
        continuation: ContinueArgs,
    },
    /// Raise the limits of a session's run
    Extend {
        /// Id of the session
        session: SessionId,
        /// Replies of the model to add
        #[arg(long, default_value_t = 0, value_name = "N")]
        turns: u32,
        /// Cost to add
        #[arg(long, default_value = "0", value_name = "DOLLARS")]
        cost: MicroDollars,
        /// Minutes of work to add
        #[arg(long, default_value_t = 0, value_name = "N")]
        minutes: u32,
        #[command(flatten)]
        continuation: ContinueArgs,
    },
    /// Resume a session whose process was interrupted or died
    Resume {
        /// Id of the session
        session: SessionId,
        #[command(flatten)]
        continuation: ContinueArgs,
    },
    /// Cancel the run of a session
    Cancel {
        /// Id of the session
        session: SessionId,
        /// Publish the work so far as a branch
        #[arg(long)]
        keep_branch: bool,
        #[command(flatten)]
        continuation: ContinueArgs,
    },
    /// Delete sessions that are over; their branches and pull requests stay
    Delete {
        /// Ids of the sessions
        #[arg(required = true, value_name = "SESSION")]
        sessions: Vec<SessionId>,
    },
    /// Delete all sessions that are over and have not changed for a time
    Prune {
        /// Time since the last change, such as 30d, 12h or 2w
        #[arg(long, value_name = "AGE")]
        older_than: Age,
        /// List the sessions instead of deleting them
        #[arg(long)]
        dry_run: bool,
    },
}

impl Sessions {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        let world = Arc::new(World::new(settings, KeepTree::No)?);
        let client = Client::connect(&world).await?;
        if matches!(client, Client::InProcess(_)) {
            recovery::recover(&world).await?;
        }
        let context = Context { world: &world, client: &client, output };
        match self {
            Self::List { limit } => inspect::list(&context, limit).await,
            Self::Show { session } => inspect::show(&context, &session).await,
            Self::Events { session, after } => inspect::events(&context, &session, after).await,
            Self::Message { session, text, continuation } => {
                context.send(&session, "messages", json!({ "text": text }), continuation, ModelUse::Possible).await
            }
            Self::Approve { session, plan, continuation } => {
                context.send(&session, "approve", json!({ "plan": plan }), continuation, ModelUse::Possible).await
            }
            Self::Reject { session, message, continuation } => {
                let model_use = if message.is_some() { ModelUse::Possible } else { ModelUse::None };
                context.send(&session, "reject", json!({ "message": message }), continuation, model_use).await
            }
            Self::Extend { session, turns, cost, minutes, continuation } => {
                let body = json!({ "turns": turns, "costUsd": cost.as_dollars(), "minutes": minutes });
                context.send(&session, "extend", body, continuation, ModelUse::Possible).await
            }
            Self::Delete { sessions } => Ok(delete::delete(&context, &sessions).await),
            Self::Prune { older_than, dry_run } => {
                let pruning = if dry_run { Pruning::DryRun } else { Pruning::Delete };
                delete::prune(&context, older_than, pruning).await
            }
            Self::Resume { session, continuation } => {
                let after = world.log(&session).await?.state().tail.0;
                context.continue_session(&session, after, continuation, ModelUse::Possible).await
            }
            Self::Cancel { session, keep_branch, continuation } => {
                let body = json!({ "keepBranch": keep_branch });
                match context.send(&session, "cancel", body, continuation, ModelUse::None).await? {
                    // The run ended as cancelled, which is what the command is for.
                    ExitCode::EndedEarly => Ok(ExitCode::Success),
                    other => Ok(other),
                }
            }
        }
    }
}
