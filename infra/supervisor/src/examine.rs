use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use sandbox::{Mode, Part, Specification};

use crate::order::Opening;
use crate::start::begin;
use crate::{Launcher, Order, StartError};

/// One answer to the question whether this machine can keep a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// Whether it works; `None` when something before it does not and it could not be tried.
    pub works: Option<bool>,
    /// What was seen.
    pub detail: String,
    /// What to do when it does not work; empty otherwise.
    pub remedy: String,
}

/// Tries everything that a sandbox needs by making one of each mode, in a directory for temporary files, and running a command
/// in it.
pub fn examine(launcher: &Launcher) -> Vec<Finding> {
    let isolated = attempt(launcher, Mode::Isolated);
    let mut findings: Vec<Finding> = match &isolated {
        Ok(()) => Part::ALL.into_iter().map(|part| finding(part, Some(true), "works")).collect(),
        Err(StartError::Lacking { part, detail, .. }) => {
            Part::ALL.into_iter().map(|each| judge(each, *part, detail)).collect()
        }
        Err(_) => Part::ALL.into_iter().map(|part| finding(part, None, "not tried")).collect(),
    };
    for finding in &mut findings {
        if finding.name == Part::LandlockScopes.to_string() {
            *finding = landlock_scopes();
        }
        if finding.name == Part::Namespaces.to_string() {
            finding.detail = format!("{}{}", finding.detail, settings());
        }
    }
    findings.push(mode("isolated mode", &isolated));
    findings.push(mode("reduced mode", &attempt(launcher, Mode::Reduced)));
    findings
}

/// What comes before the part that failed has worked.
fn judge(each: Part, failed: Part, detail: &str) -> Finding {
    let place = |wanted: Part| Part::ALL.iter().position(|part| *part == wanted);
    match place(each).cmp(&place(failed)) {
        std::cmp::Ordering::Less => finding(each, Some(true), "works"),
        std::cmp::Ordering::Equal => finding(each, Some(false), detail),
        std::cmp::Ordering::Greater => finding(each, None, "not tried"),
    }
}

fn finding(part: Part, works: Option<bool>, detail: &str) -> Finding {
    let remedy = if works == Some(false) { part.remedy() } else { "" };
    Finding { name: part.to_string(), works, detail: detail.to_owned(), remedy: remedy.to_owned() }
}

fn landlock_scopes() -> Finding {
    let version = sandbox::landlock_version();
    finding(Part::LandlockScopes, Some(version >= 6), &format!("Landlock's interface has version {version}"))
}

/// Settings that explain why namespaces do not work.
fn settings() -> String {
    let names = [
        "user/max_user_namespaces",
        "kernel/unprivileged_userns_clone",
        "kernel/apparmor_restrict_unprivileged_userns",
    ];
    let values = names.iter().filter_map(|name| {
        let value = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
        Some(format!("; {} is {}", name.replace('/', "."), value.trim()))
    });
    values.collect()
}

fn mode(name: &str, result: &Result<(), StartError>) -> Finding {
    let (works, detail, remedy) = match result {
        Ok(()) => (true, "works".to_owned(), String::new()),
        Err(error @ StartError::Lacking { remedy, .. }) => (false, error.to_string(), (*remedy).to_owned()),
        Err(error) => (false, error.to_string(), "mend what the message names".to_owned()),
    };
    Finding { name: name.to_owned(), works: Some(works), detail, remedy }
}

fn attempt(launcher: &Launcher, mode: Mode) -> Result<(), StartError> {
    let directory = directory();
    let order = Order::new(Specification { mode, ..Specification::new(&directory) });
    let tried = begin(launcher, &Opening { order, trial: true }).map(drop);
    let removed = sandbox::remove_directory(&directory);
    tried.and(removed.map_err(|error| StartError::Other(error.to_string())))
}

fn directory() -> PathBuf {
    static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("sandbox-examination-{}-{attempt}", std::process::id()))
}
