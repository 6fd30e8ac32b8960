//! The command that brings the repository into a sandbox.

use std::time::Duration;

use domain::InvalidId;
use domain::ports::{CloneSource, Exec, Layout, Program, Repository, Stderr};
use domain::text::shorten;
use secrecy::{ExposeSecret, SecretString};

/// The longest a clone may take.
const TIMEOUT: Duration = Duration::from_secs(240);

/// Values come as arguments, so that none is read as shell. `$1` is the workspace, `$2` the branch, `$3` the source (empty
/// for an empty repository), `$4` the address that `origin` is to show.
const SCRIPT: &str = include_str!("clone.sh");

/// The command.
///
/// Depth 50 and a single branch: enough history to read, little to fetch. Not a blobless clone: that one breaks `git log
/// -p`, `blame` and `revert` without a network.
pub(crate) fn exec(
    layout: &Layout,
    repository: &Repository,
    source: &CloneSource,
    repo_url: &str,
) -> Result<Exec, InvalidId> {
    let (address, authorization) = match source {
        CloneSource::Directory(_) => (format!("file://{}", layout.source), None),
        CloneSource::Address { url, authorization } => (url.clone(), authorization.clone()),
    };
    let address = if repository.base_commit.is_some() { address } else { String::new() };
    let mut argv: Vec<String> = ["sh", "-c", SCRIPT, "clone"].map(str::to_owned).to_vec();
    argv.extend([layout.workspace.clone(), repository.base_branch.clone(), address, repo_url.to_owned()]);
    // The header goes through the environment of this one command; nothing of the repository has run yet.
    let secrets = authorization.map(|header| {
        let value = SecretString::from(format!("Authorization: {}", header.expose_secret()));
        ("GIT_CONFIG_VALUE_0".to_owned(), value)
    });
    let mut environment = vec![("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned())];
    if secrets.is_some() {
        environment.push(("GIT_CONFIG_COUNT".to_owned(), "1".to_owned()));
        environment.push(("GIT_CONFIG_KEY_0".to_owned(), "http.extraHeader".to_owned()));
    }
    Ok(Exec {
        id: "clone".parse()?,
        program: Program::Command(argv),
        stdin: Vec::new(),
        environment,
        secrets: secrets.into_iter().collect(),
        directory: layout.state.clone(),
        timeout: TIMEOUT,
        stderr: Stderr::Separate,
        kept_bytes: 1024 * 1024,
    })
}

/// The last whole line of git's progress.
pub(crate) fn progress(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text.split(['\r', '\n']).map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    shorten(last, 200).into_owned()
}
