//! Where a command's replies of the model come from: the configured service, or a script.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use asl::Interpreter;
use domain::Network;
use secrecy::SecretString;
use stand_ins::claude::{Script, Server, Settings};

use super::output::Output;
use crate::settings::{CLAUDE_URL, Containment};
use crate::world::World;

/// What answers the calls to the model.
pub(super) enum ModelSource {
    /// The service that is configured.
    Service,
    /// A script, served over HTTP on this machine.
    Scripted(Server),
}

impl ModelSource {
    /// Serves a script.
    pub(super) async fn scripted(script: Script) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        Ok(Self::Scripted(Server::start(listener, script, Settings::default())?))
    }

    /// The script in a file, or the service when no file is given.
    pub(super) async fn new(script: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = script else { return Ok(Self::Service) };
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the script {shown}"))?;
        let script = Script::parse(&text).with_context(|| format!("{shown} is not a valid script"))?;
        Self::scripted(script).await
    }

    /// The workflow, with steps that call this model.
    ///
    /// # Errors
    ///
    /// When the service is to be called and no key is set.
    pub(super) fn interpreter(&self, world: &World) -> anyhow::Result<Arc<Interpreter>> {
        match self {
            Self::Scripted(server) => {
                world.interpreter(&format!("http://{}", server.addr()), SecretString::from("scripted"))
            }
            Self::Service => {
                let key = world.model_key().with_context(|| {
                    format!(
                        "no key for the model's API: set ANTHROPIC_API_KEY in the environment or in {}, or replay scripted \
                         replies with --script FILE. `backspace demo` shows a session without a key",
                        world.settings.home.join(".env").display()
                    )
                })?;
                world.interpreter(&world.settings.model_url, key)
            }
        }
    }

    /// The workflow for a run that only has to end. It calls no model, so no key is needed.
    pub(super) fn interpreter_for_ending(&self, world: &World) -> anyhow::Result<Arc<Interpreter>> {
        match (self, world.model_key()) {
            (Self::Service, None) => world.interpreter(&world.settings.model_url, SecretString::from("none")),
            (Self::Service, Some(_)) | (Self::Scripted(_), _) => self.interpreter(world),
        }
    }

    /// Prints which parts are real, and which are local replacements.
    pub(super) fn print_setup(&self, world: &World, network: Network, output: &Output) {
        let settings = &world.settings;
        let model = match self {
            Self::Scripted(_) => "scripted replies, served on this machine (no model is called)".to_owned(),
            Self::Service if settings.model_url == CLAUDE_URL => format!("Claude API, {}", settings.model),
            Self::Service => format!("{}, {}", settings.model_url, settings.model),
        };
        let sandbox = match settings.containment {
            Containment::Isolated => "local: namespaces, Landlock, seccomp",
            Containment::Reduced => "local, REDUCED: Landlock and seccomp only",
        };
        let network = match network {
            Network::None => "no network",
            Network::Registries => "network: package registries",
            Network::Open => "network: every host, by HTTP and HTTPS",
        };
        let traces = match &settings.collector {
            Some((endpoint, _)) => format!("OTLP to {endpoint}"),
            None => "not exported".to_owned(),
        };
        output.progress(&format!("model    {model}"));
        output.progress(&format!("sandbox  {sandbox}; {network}"));
        output.progress("forge    local: branch and pull request stay on this machine; your checkout is only read");
        output.progress(&format!("traces   {traces}"));
        output.progress(&format!("data in  {}", settings.home.display()));
    }
}
