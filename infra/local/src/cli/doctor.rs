//! `backspace doctor`: checks what this machine offers for sandboxes, and says how to fix what is missing.

use anyhow::Context as _;
use serde_json::json;

use super::exit::ExitCode;
use super::output::Output;
use crate::sandboxes::LocalSandboxes;
use crate::settings::Settings;

fn findings() -> anyhow::Result<Vec<supervisor::Finding>> {
    let program = std::env::current_exe().context("cannot find the program's own file")?;
    Ok(supervisor::examine(&LocalSandboxes::launcher(&program)))
}

/// The first thing that an isolated sandbox lacks on this machine, with its remedy.
pub(super) fn lacking_for_isolation() -> anyhow::Result<Option<String>> {
    let lacking = findings()?.into_iter().find(|finding| finding.works == Some(false));
    Ok(lacking.map(|finding| format!("{} ({}); {}", finding.name, finding.detail, finding.remedy)))
}

pub(super) fn run(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let findings = findings()?;
    let mut complete = true;
    for finding in &findings {
        let mark = match finding.works {
            Some(true) => "ok     ",
            Some(false) => "LACKING",
            None => "unknown",
        };
        complete &= finding.works != Some(false);
        output.result(&format!("{mark}  {}: {}", finding.name, finding.detail));
        if finding.works == Some(false) {
            output.result(&format!("         {}", finding.remedy));
        }
        output.json(&json!({
            "name": finding.name,
            "works": finding.works,
            "detail": finding.detail,
            "remedy": finding.remedy,
        }));
    }
    let git = std::process::Command::new("git").arg("--version").output();
    let git = git.ok().filter(|git| git.status.success());
    complete &= git.is_some();
    let version = git.map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned());
    output.result(&match &version {
        Some(version) => format!("ok       git: {version}"),
        None => "LACKING  git: cannot be run\n         install git, or add it to PATH".to_owned(),
    });
    output.json(&json!({ "name": "git", "works": version.is_some(), "detail": version }));
    let key = settings.secrets.of(domain::ports::SecretName::ModelKey).is_some();
    let detail = if key { "set" } else { "not set; `backspace code` needs it, unless --script FILE is given" };
    output.result(&format!("{}  ANTHROPIC_API_KEY: {detail}", if key { "ok     " } else { "note   " }));
    output.json(&json!({ "name": "ANTHROPIC_API_KEY", "works": key, "detail": detail }));
    if !complete {
        output.result("\nWithout namespaces, set BACKSPACE_SANDBOX=reduced to run commands with less isolation.");
    }
    Ok(if complete { ExitCode::Success } else { ExitCode::NotStarted })
}
