//! `backspace stand-in`: servers that imitate outside systems, for tests.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use stand_ins::claude::{Script, Server, Settings};

use super::exit::ExitCode;
use super::output::Output;

const DEMO: &str = include_str!("../../demo/script.json");

#[derive(Debug, Subcommand)]
pub(super) enum StandIn {
    /// Serve the Claude Messages API with replies from a script
    Claude {
        /// Loopback address to listen on
        #[arg(long, default_value = "127.0.0.1:8010", value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
        /// Script to replay [default: the demonstration's]
        #[arg(long, value_name = "FILE")]
        script: Option<PathBuf>,
    },
}

impl StandIn {
    pub(super) async fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let Self::Claude { listen, script } = self;
        anyhow::ensure!(
            listen.ip().is_loopback(),
            "a stand-in listens on loopback addresses only (127.0.0.1 or [::1]), not on {listen}"
        );
        let text = match &script {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => DEMO.to_owned(),
        };
        let script = Script::parse(&text)?;
        let listener =
            tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let server = Server::start(listener, script, Settings::default())?;
        let url = format!("http://{}", server.addr());
        output.result(&format!("Claude stand-in at {url}. Use it with ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=any"));
        output.json(&json!({ "url": url }));
        tokio::signal::ctrl_c().await?;
        Ok(ExitCode::Success)
    }
}
