//! What the kernel offers.

use anyhow::Context as _;
use serde_json::json;

use super::{Mark, line};
use crate::cli::output::Output;
use crate::sandboxes::LocalSandboxes;

fn findings() -> anyhow::Result<Vec<supervisor::Finding>> {
    let program = std::env::current_exe().context("cannot find the program's own file")?;
    Ok(supervisor::examine(&LocalSandboxes::launcher(&program)))
}

/// The first thing that an isolated sandbox lacks on this machine, with its remedy.
pub(in crate::cli) fn lacking_for_isolation() -> anyhow::Result<Option<String>> {
    let lacking = findings()?.into_iter().find(|finding| finding.works == Some(false));
    Ok(lacking.map(|finding| format!("{} ({}); {}", finding.name, finding.detail, finding.remedy)))
}

/// Whether everything works.
pub(super) fn report(output: &Output) -> anyhow::Result<bool> {
    let mut complete = true;
    for finding in &findings()? {
        let mark = match finding.works {
            Some(true) => Mark::Works,
            Some(false) => Mark::Lacking,
            None => Mark::Unknown,
        };
        complete &= finding.works != Some(false);
        line(output, &mark, &finding.name, &finding.detail);
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
    Ok(complete)
}
