//! `backspace serve`: serves the HTTP API and drives its sessions.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use domain::Role;
use domain::commands::{NewToken, create_token};
use domain::ports::{Accounts as _, Clock as _};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::ExitCode;
use super::model_source::ModelSource;
use super::output::Output;
use crate::clock::WallClock;
use crate::owner::owner;
use crate::recovery;
use crate::server::{Server, ServerOptions, TokenPolicy};
use crate::settings::Settings;
use crate::world::{KeepTree, World};

#[derive(Debug, Args)]
#[command(after_help = "\
The server drives every unfinished session in BACKSPACE_HOME, also those that other commands started.
It documents its API at /docs.

On a loopback address requests need no token, unless --require-token is given. On any other address
they do; the first start prints a token, and `backspace tokens create` creates more.")]
pub(super) struct Serve {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8002")]
    listen: SocketAddr,
    /// Host name under which clients reach the server, besides localhost; repeatable
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Require a token on loopback addresses, too: for machines with several users
    #[arg(long)]
    require_token: bool,
    /// Replay the model's replies from a script instead of calling a model
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

impl Serve {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        let model = ModelSource::new(self.script.as_deref()).await?;
        let world = Arc::new(World::new(settings, KeepTree::No)?);
        recovery::recover(&world).await?;
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener
            .with_context(|| format!("cannot listen on {}; choose another address with --listen", self.listen))?;
        let interpreter = model.interpreter(&world).map_err(|error| format!("{error:#}"));
        let limits = web::Limits { stream_age: world.settings.stream_age, ..web::Limits::default() };
        let reason = interpreter.as_ref().err().cloned();
        // Registered before the server is announced, so that no signal of somebody who has seen it is lost.
        let mut terminated = signal(SignalKind::terminate())?;
        let interrupted = tokio::signal::ctrl_c();
        let server = Server::start(
            Arc::clone(&world),
            interpreter,
            listener,
            ServerOptions { hosts: self.allow_host.clone(), tokens: self.token_policy(), limits },
        )
        .await?;
        model.print_setup(&world, world.settings.network, output);
        if let Some(reason) = reason {
            output.progress(&format!("No session can be started: {reason}"));
        }
        let token = self.first_token(&world, output).await?;
        let address = format!("http://{}", server.address);
        output.json(&json!({ "listening": address, "token": token }));
        output.progress(&format!("\nListening on {address}. The API is documented at {address}/docs"));
        tokio::select! {
            _ = terminated.recv() => {}
            pressed = interrupted => pressed?,
        }
        output.progress("Stopping. Unfinished sessions resume when the server is started again.");
        server.shut_down().await;
        world.flush_traces().await;
        Ok(ExitCode::Success)
    }

    fn token_policy(&self) -> TokenPolicy {
        let required = self.require_token || !self.listen.ip().is_loopback();
        if required { TokenPolicy::Required } else { TokenPolicy::OptionalOnLoopback }
    }

    /// Creates a first token when tokens are required and none is valid.
    async fn first_token(&self, world: &World, output: &Output) -> anyhow::Result<Option<String>> {
        if self.token_policy() == TokenPolicy::OptionalOnLoopback {
            return Ok(None);
        }
        let now = WallClock.now();
        if world.store.tokens().await?.iter().any(|token| token.is_valid_at(now)) {
            output.progress("Requests need a token. Create further ones with: backspace tokens create PRINCIPAL");
            return Ok(None);
        }
        let new = NewToken {
            principal: owner()?,
            label: "created at the first start".to_owned(),
            days: None,
            role: Some(Role::Admin),
            repositories: None,
            max_concurrent_sessions: None,
            max_daily_cost: None,
        };
        let (token, _) = create_token(&world.services(), new).await?;
        let token = token.secret().expose_secret().to_owned();
        output.result(&format!("Requests need a token. Store this one now, it cannot be shown again:\n  {token}"));
        Ok(Some(token))
    }
}
