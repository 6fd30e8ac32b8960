//! `backspace tokens`: who may use a server, and how much.

use std::sync::Arc;

use clap::{Args, Subcommand};
use domain::{MicroDollars, Principal, RepositoryPattern, TokenId};
use serde_json::{Value, json};

use super::client::Client;
use super::exit::ExitCode;
use super::output::Output;
use crate::settings::Settings;
use crate::world::{KeepTree, World};

#[derive(Debug, Subcommand)]
pub(super) enum Tokens {
    /// Makes a token. It is shown once.
    Create(Create),
    /// Revokes a token: it counts no more, at once.
    Revoke { token: TokenId },
    /// Lists tokens, and the principals they belong to.
    List,
}

/// What is said about the principal counts for all its tokens; what is left out stays as it is.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Whose it will be.
    principal: Principal,
    /// What it is for.
    #[arg(long, default_value = "")]
    label: String,
    /// For how many days it counts; for ever when left out.
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// The principal may hand out tokens itself.
    #[arg(long)]
    admin: bool,
    /// A repository the principal may work on, or with /* at its end all below an address; can be given several times.
    #[arg(long, value_name = "ADDRESS")]
    repository: Vec<RepositoryPattern>,
    /// The most sessions it may have at work at a time; further ones are queued.
    #[arg(long, value_name = "N")]
    max_sessions: Option<u32>,
    /// The most it may spend in a day (UTC), in dollars.
    #[arg(long, value_name = "DOLLARS")]
    daily_cost: Option<MicroDollars>,
}

impl Tokens {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        let world = Arc::new(World::new(settings, KeepTree::No)?);
        let client = Client::of(&world).await?;
        match self {
            Self::Create(create) => {
                let made = client.post("/tokens", &create.body()).await?;
                output.value(&made);
                output.tell(&format!("{} for {}; it is shown only now:", text(&made, "id"), text(&made, "principal")));
                output.answer(text(&made, "token"));
            }
            Self::Revoke { token } => {
                client.delete(&format!("/tokens/{token}")).await?;
                output.value(&json!({ "id": token, "revoked": true }));
                output.tell(&format!("{token} counts no more."));
            }
            Self::List => list(&client.get("/tokens").await?, output),
        }
        Ok(ExitCode::Done)
    }
}

impl Create {
    fn body(self) -> Value {
        let repositories = (!self.repository.is_empty()).then_some(self.repository);
        json!({
            "principal": self.principal,
            "label": self.label,
            "expiresInDays": self.days,
            "admin": self.admin.then_some(true),
            "repositories": repositories,
            "maxConcurrentSessions": self.max_sessions,
            "maxDailyCostUsd": self.daily_cost.map(MicroDollars::as_dollars),
        })
    }
}

fn list(listed: &Value, output: &Output) {
    output.value(listed);
    for token in listed["tokens"].as_array().into_iter().flatten() {
        let state = match (token["revokedAt"].as_str(), token["expiresAt"].as_str()) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => "for ever".to_owned(),
        };
        output.answer(&format!(
            "{}  {:<16} {state}  {}",
            text(token, "id"),
            text(token, "principal"),
            text(token, "label")
        ));
    }
    for principal in listed["principals"].as_array().into_iter().flatten() {
        let bound = |name: &str| match &principal[name] {
            Value::Null => "no limit".to_owned(),
            value => value.to_string(),
        };
        let repositories: Vec<&str> =
            principal["repositories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let repositories = if repositories.is_empty() { "any repository".to_owned() } else { repositories.join(", ") };
        output.answer(&format!(
            "{:<16} sessions {} of {} (+{} queued), dollars today {} of {}, {repositories}",
            text(principal, "principal"),
            principal["active"],
            bound("maxConcurrentSessions"),
            principal["queued"],
            principal["committedTodayUsd"],
            bound("maxDailyCostUsd"),
        ));
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
