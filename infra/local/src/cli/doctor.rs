//! `backspace doctor`: what of this machine works, and what to do where something does not.

use anyhow::Context as _;
use serde_json::json;

use super::exit::ExitCode;
use super::output::Output;
use crate::sandboxes::LocalSandboxes;
use crate::settings::Settings;

fn examine() -> anyhow::Result<Vec<sandbox::Finding>> {
    let program = std::env::current_exe().context("cannot find the program's own file")?;
    Ok(sandbox::examine(&LocalSandboxes::launcher(&program)))
}

/// What an isolated sandbox lacks on this machine, in a sentence.
pub(super) fn lacking_for_isolation() -> anyhow::Result<Option<String>> {
    let lacking = examine()?.into_iter().find(|finding| finding.works == Some(false));
    Ok(lacking.map(|finding| format!("{} ({}); {}", finding.name, finding.detail, finding.remedy)))
}

pub(super) fn run(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let findings = examine()?;
    let mut complete = true;
    for finding in &findings {
        let mark = match finding.works {
            Some(true) => "ok     ",
            Some(false) => "LACKING",
            None => "unknown",
        };
        complete &= finding.works != Some(false);
        output.answer(&format!("{mark}  {}: {}", finding.name, finding.detail));
        if finding.works == Some(false) {
            output.answer(&format!("         {}", finding.remedy));
        }
        output.value(&json!({
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
    output.answer(&match &version {
        Some(version) => format!("ok       git: {version}"),
        None => "LACKING  git: it cannot be started\n         install git".to_owned(),
    });
    output.value(&json!({ "name": "git", "works": version.is_some(), "detail": version }));
    let key = settings.secrets.of(domain::ports::SecretName::ModelKey).is_some();
    let said = if key { "set" } else { "not set: `code` needs it, or --script FILE" };
    output.answer(&format!("{}  ANTHROPIC_API_KEY: {said}", if key { "ok     " } else { "note   " }));
    output.value(&json!({ "name": "ANTHROPIC_API_KEY", "works": key, "detail": said }));
    if !complete {
        output.answer("\nBACKSPACE_SANDBOX=reduced runs commands with less isolation where namespaces are lacking.");
    }
    Ok(if complete { ExitCode::Done } else { ExitCode::NotBegun })
}
