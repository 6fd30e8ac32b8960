//! The hosts that the network `registries` reaches.

use egress::Target;
use serde_json::json;

use crate::cli::exit::ExitCode;
use crate::cli::output::Output;
use crate::home;
use crate::network::Networks;
use crate::settings::Settings;

/// Records them now.
pub(super) async fn run(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    home::prepare(&settings.home, settings.containment)?;
    let networks = Networks::new(settings);
    output.progress("Running each package manager once …");
    let recorded = networks.record().await?;
    let joined = |hosts: &[Target]| hosts.iter().map(Target::to_string).collect::<Vec<_>>().join(", ");
    for tool in &recorded.tools {
        let hosts = if tool.hosts.is_empty() { "asked for no host".to_owned() } else { joined(&tool.hosts) };
        output.result(&format!("{:10} {hosts}", tool.name));
        output.result(&format!("{:10} {}", "", tool.version));
        for (name, value) in &tool.settings {
            output.result(&format!("{:10} {name}={value}", ""));
        }
        if let Some(problem) = &tool.problem {
            output.result(&format!("{:10} PROBLEM: {problem}", ""));
        }
        output.json(&json!({
            "name": tool.name,
            "version": tool.version,
            "hosts": tool.hosts.iter().map(Target::to_string).collect::<Vec<_>>(),
            "settings": tool.settings,
            "problem": tool.problem,
        }));
    }
    if recorded.tools.is_empty() {
        output.result("No package manager was found on your PATH.");
    }
    let listed = networks.listed();
    if !listed.is_empty() {
        output.result(&format!("{:10} {}", "settings", joined(listed)));
        let hosts: Vec<String> = listed.iter().map(Target::to_string).collect();
        output.json(&json!({ "name": "BACKSPACE_REGISTRIES", "hosts": hosts }));
    }
    output
        .result(&format!("\nRecorded {:.0}. Add hosts with BACKSPACE_REGISTRIES=host,host:port", recorded.recorded_at));
    let is_complete = recorded.tools.iter().all(|tool| tool.problem.is_none());
    Ok(if is_complete { ExitCode::Success } else { ExitCode::NotStarted })
}
