//! `backspace tokens`: access tokens of a server, and the quotas of their principals.

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
    /// Create a token and print it; it cannot be shown again
    Create(Create),
    /// Revoke a token, with immediate effect
    Revoke {
        /// Id of the token, as `tokens list` prints it
        token: TokenId,
    },
    /// List tokens, and principals with their quotas
    List,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Role and quotas belong to the principal and apply to all its tokens. Those that are not given stay as
they are.")]
pub(super) struct Create {
    /// Who the token is for: a name of letters, digits, '-', '_' or '.'
    principal: Principal,
    /// Note for the list of tokens, such as `laptop`
    #[arg(long, default_value = "", hide_default_value = true)]
    label: String,
    /// Days until the token expires [default: never]
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Allow the principal to create, list and revoke tokens
    #[arg(long)]
    admin: bool,
    /// Allow only this repository, or all below an address that ends in /*; repeatable [default: any]
    #[arg(long, value_name = "ADDRESS")]
    repository: Vec<RepositoryPattern>,
    /// Maximum sessions that run at the same time; further ones are queued
    #[arg(long, value_name = "N")]
    max_sessions: Option<u32>,
    /// Maximum cost per day (UTC)
    #[arg(long, value_name = "DOLLARS")]
    daily_cost: Option<MicroDollars>,
}

impl Tokens {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        let world = Arc::new(World::new(settings, KeepTree::No)?);
        let client = Client::connect(&world).await?;
        match self {
            Self::Create(create) => {
                let created = client.post("/tokens", &create.body()).await?;
                let (id, principal) = (text(&created, "id"), text(&created, "principal"));
                output.json(&created);
                output
                    .progress(&format!("Created {id} for {principal}. Store the token now, it cannot be shown again:"));
                output.result(text(&created, "token"));
            }
            Self::Revoke { token } => {
                client.delete(&format!("/tokens/{token}")).await?;
                output.json(&json!({ "id": token, "revoked": true }));
                output.progress(&format!("Revoked {token}."));
            }
            Self::List => list(&client.get("/tokens").await?, output),
        }
        Ok(ExitCode::Success)
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
    output.json(listed);
    for token in listed["tokens"].as_array().into_iter().flatten() {
        let state = match (token["revokedAt"].as_str(), token["expiresAt"].as_str()) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("expires {at}"),
            (None, None) => "never expires".to_owned(),
        };
        output.result(&format!(
            "{}  {:<16} {state}  {}",
            text(token, "id"),
            text(token, "principal"),
            text(token, "label")
        ));
    }
    for principal in listed["principals"].as_array().into_iter().flatten() {
        let sessions = principal["maxConcurrentSessions"].as_u64();
        let sessions = sessions.map_or_else(|| "no limit".to_owned(), |max| format!("maximum {max}"));
        let cost = principal["maxDailyCostUsd"].as_f64();
        let cost = cost.map_or_else(|| "no limit".to_owned(), |max| format!("maximum ${max:.2}"));
        let repositories: Vec<&str> =
            principal["repositories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let repositories = if repositories.is_empty() { "any repository".to_owned() } else { repositories.join(", ") };
        output.result(&format!(
            "{:<16} {} running ({sessions}), {} queued, ${:.2} today ({cost}), {repositories}",
            text(principal, "principal"),
            principal["active"],
            principal["queued"],
            principal["committedTodayUsd"].as_f64().unwrap_or_default(),
        ));
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
