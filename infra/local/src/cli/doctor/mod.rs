//! `backspace doctor`: checks what this machine offers for sandboxes, and says how to fix what is missing.

mod limits;
mod network;
mod programs;
mod walls;

use clap::Args;
use serde_json::json;

use super::exit::ExitCode;
use super::output::Output;
use crate::settings::Settings;

pub(super) use walls::lacking_for_isolation;

#[derive(Debug, Args)]
#[command(after_help = "\
The network `registries` reaches the hosts that the package managers of this machine ask for. Each of them is run once, in an
empty directory, through a proxy that writes down what it asks for; --network does that now and shows the result.")]
pub(super) struct Doctor {
    /// Record the hosts that package managers ask for, and show them
    #[arg(long)]
    network: bool,
}

/// Whether something that was looked at is as it should be.
enum Mark {
    Works,
    Lacking,
    Unknown,
    /// Neither good nor bad.
    Note,
}

impl Mark {
    fn text(&self) -> &'static str {
        match self {
            Self::Works => "ok     ",
            Self::Lacking => "LACKING",
            Self::Unknown => "unknown",
            Self::Note => "note   ",
        }
    }
}

impl Doctor {
    pub(super) async fn run(self, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
        if self.network {
            return network::run(settings, output).await;
        }
        let mut complete = walls::report(output)?;
        complete &= git(output);
        key(settings, output);
        limits::report(settings, output);
        output.result("");
        programs::report(settings, output).await?;
        if !complete {
            output.result("\nWithout namespaces, set BACKSPACE_SANDBOX=reduced to run commands with less isolation.");
        }
        Ok(if complete { ExitCode::Success } else { ExitCode::NotStarted })
    }
}

fn line(output: &Output, mark: &Mark, name: &str, detail: &str) {
    output.result(&format!("{}  {name}: {detail}", mark.text()));
}

/// The local forge needs git outside of sandboxes.
fn git(output: &Output) -> bool {
    let git = std::process::Command::new("git").arg("--version").output();
    let version = git.ok().filter(|git| git.status.success());
    let version = version.map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned());
    match &version {
        Some(version) => line(output, &Mark::Works, "git", version),
        None => {
            line(output, &Mark::Lacking, "git", "cannot be run");
            output.result("         install git, or add it to PATH");
        }
    }
    output.json(&json!({ "name": "git", "works": version.is_some(), "detail": version }));
    version.is_some()
}

fn key(settings: &Settings, output: &Output) {
    let is_set = settings.secrets.of(domain::ports::SecretName::ModelKey).is_some();
    let detail = if is_set { "set" } else { "not set; `backspace code` needs it, unless --script FILE is given" };
    line(output, if is_set { &Mark::Works } else { &Mark::Note }, "ANTHROPIC_API_KEY", detail);
    output.json(&json!({ "name": "ANTHROPIC_API_KEY", "works": is_set, "detail": detail }));
}
