//! `backspace serve`: the HTTP face.

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
use super::output::Output;
use super::parts::Model;
use crate::clock::WallClock;
use crate::driver;
use crate::server::{OWNER, Options, Server, Tokens};
use crate::settings::Settings;
use crate::world::{KeepTree, World};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen. Beyond the loopback every request needs a token.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8002")]
    listen: SocketAddr,
    /// A name under which the service is reached, besides localhost; can be given several times.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Every request needs a token on the loopback, too: for machines that others use as well.
    #[arg(long)]
    require_token: bool,
    /// Plays this script instead of asking a model.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

impl Serve {
    pub(super) async fn run(self, settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        let model = Model::of(self.script.as_deref()).await?;
        let world = Arc::new(World::new(settings, KeepTree::No)?);
        driver::recover(&world).await?;
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", self.listen))?;
        let interpreter = model.interpreter(&world).map_err(|error| format!("{error:#}"));
        let limits = web::Limits { stream_age: world.settings.stream_age, ..web::Limits::default() };
        let cannot = interpreter.as_ref().err().cloned();
        // What asks for the end may come as soon as anybody can know that the server is there.
        let mut terminated = signal(SignalKind::terminate())?;
        let interrupted = tokio::signal::ctrl_c();
        let server = Server::start(
            Arc::clone(&world),
            interpreter,
            listener,
            Options { hosts: self.allow_host.clone(), tokens: self.tokens(), limits },
        )
        .await?;
        model.introduce(&world, output);
        if let Some(reason) = cannot {
            output.tell(&format!("No session can be started: {reason}"));
        }
        let token = self.first_token(&world, output).await?;
        let address = format!("http://{}", server.address);
        output.value(&json!({ "listening": address, "token": token }));
        output.tell(&format!("\nlistening on {address} (the API: {address}/docs)"));
        tokio::select! {
            _ = terminated.recv() => {}
            pressed = interrupted => pressed?,
        }
        output.tell("Sessions stay where they are; the next server goes on with them.");
        server.shut_down().await;
        world.flush_traces().await;
        Ok(ExitCode::Done)
    }

    fn tokens(&self) -> Tokens {
        let needed = self.require_token || !self.listen.ip().is_loopback();
        if needed { Tokens::Needed } else { Tokens::NotNeeded }
    }

    /// Where a token is needed, the first one is made here.
    async fn first_token(&self, world: &World, output: &Output) -> anyhow::Result<Option<String>> {
        if self.tokens() == Tokens::NotNeeded {
            return Ok(None);
        }
        let now = WallClock.now();
        if world.store.tokens().await?.iter().any(|token| token.counts(now)) {
            output.tell("Requests need a token; `backspace tokens create` makes further ones.");
            return Ok(None);
        }
        let new = NewToken {
            principal: OWNER.parse()?,
            label: "made at the first start".to_owned(),
            days: None,
            role: Some(Role::Admin),
            repositories: None,
            max_concurrent_sessions: None,
            max_daily_cost: None,
        };
        let (token, _) = create_token(&world.services(), new).await?;
        let token = token.secret().expose_secret().to_owned();
        output.answer(&format!("Requests need a token. This one is shown once:\n  {token}"));
        Ok(Some(token))
    }
}
