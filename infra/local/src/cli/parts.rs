//! What the program works with this time: which parts are real and which are embedded.

use anyhow::Context as _;
use asl::Interpreter;
use secrecy::SecretString;
use stand_ins::claude::{Script, Server, Settings};
use std::path::Path;
use std::sync::Arc;

use super::output::Output;
use crate::settings::{CLAUDE_URL, Containment};
use crate::world::World;

/// Who answers for the model.
pub(super) enum Model {
    /// The service that is configured.
    Service,
    /// A script, played over HTTP on this machine.
    Scripted(Server),
}

impl Model {
    /// Plays a script.
    pub(super) async fn scripted(script: Script) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        Ok(Self::Scripted(Server::start(listener, script, Settings::default())?))
    }

    /// Reads a script and plays it; without one, the service.
    pub(super) async fn of(script: Option<&Path>) -> anyhow::Result<Self> {
        match script {
            None => Ok(Self::Service),
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
                let script = Script::parse(&text).with_context(|| format!("{shown} is not a script"))?;
                Self::scripted(script).await
            }
        }
    }

    /// The workflow with steps that talk to this model.
    pub(super) fn interpreter(&self, world: &World) -> anyhow::Result<Arc<Interpreter>> {
        match self {
            Self::Scripted(server) => {
                world.interpreter(&format!("http://{}", server.addr()), SecretString::from("scripted"))
            }
            Self::Service => {
                let key = world.model_key().context(
                    "there is no model to talk to: set ANTHROPIC_API_KEY (in the environment, or in .env in the \
                     program's own directory), or play a script with --script FILE; `backspace demo` shows a session without a key",
                )?;
                world.interpreter(&world.settings.model_url, key)
            }
        }
    }

    /// The workflow for a run that only comes to its end: no key is needed, and no call is made.
    pub(super) fn interpreter_for_ending(&self, world: &World) -> anyhow::Result<Arc<Interpreter>> {
        match (self, world.model_key()) {
            (Self::Service, None) => world.interpreter(&world.settings.model_url, SecretString::from("none")),
            (Self::Service, Some(_)) | (Self::Scripted(_), _) => self.interpreter(world),
        }
    }

    /// Says which parts are real and which are embedded.
    pub(super) fn introduce(&self, world: &World, output: &Output) {
        let settings = &world.settings;
        let model = match self {
            Self::Scripted(_) => "scripted replies over HTTP on this machine (no model is asked)".to_owned(),
            Self::Service if settings.model_url == CLAUDE_URL => format!("Claude API, {}", settings.model),
            Self::Service => format!("{}, {}", settings.model_url, settings.model),
        };
        let sandbox = match settings.containment {
            Containment::Isolated => "local: namespaces, Landlock, seccomp; no network",
            Containment::Reduced => "local, REDUCED: Landlock and seccomp only; no network",
        };
        let traces = match &settings.collector {
            Some((endpoint, _)) => format!("OTLP to {endpoint}"),
            None => "not exported".to_owned(),
        };
        output.tell(&format!("model    {model}"));
        output.tell(&format!("sandbox  {sandbox}"));
        output.tell("forge    local: the branch and the pull request are kept here, your checkout is only read");
        output.tell(&format!("traces   {traces}"));
        output.tell(&format!("kept in  {}", settings.home.display()));
    }
}
