//! The repository that the user named, by path or address. It is only read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::ports::ForgeError;
use domain::{CommitId, Dependency, Digest256, ErrorCode, Terminal, Unavailable};
use tokio::process::Command;

use super::git::{self, Git};

/// Where a repository is copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A directory of this machine.
    Path(PathBuf),
    /// An `http`, `https` or `ssh` address.
    Address(String),
}

/// The branches of a source, by name.
#[derive(Debug, Default)]
pub(super) struct Heads {
    default: Option<String>,
    pub branches: BTreeMap<String, CommitId>,
}

impl Heads {
    /// The branch that the source's HEAD names.
    pub(super) fn default_branch(&self, repo_url: &str) -> Result<String, Terminal> {
        match &self.default {
            Some(branch) => Ok(branch.clone()),
            None if self.branches.is_empty() => Ok("main".to_owned()),
            None => {
                let message = format!(
                    "{repo_url} has no default branch (its HEAD is detached); name one with --base (baseBranch)"
                );
                Err(Terminal::new(ErrorCode::BranchNotFound, message))
            }
        }
    }
}

impl Source {
    pub(super) fn parse(repo_url: &str) -> Result<Self, Terminal> {
        if let Some(path) = repo_url.strip_prefix("file://") {
            return Self::path(Path::new(path), repo_url);
        }
        match repo_url.split_once("://") {
            Some(("http" | "https" | "ssh", _)) => Ok(Self::Address(repo_url.to_owned())),
            Some((scheme, _)) => {
                let message =
                    format!("repositories cannot be fetched over {scheme}; use a path, or an https or ssh address");
                Err(Terminal::new(ErrorCode::InvalidRequest, message))
            }
            None => Self::path(Path::new(repo_url), repo_url),
        }
    }

    fn path(path: &Path, repo_url: &str) -> Result<Self, Terminal> {
        let missing = |error: std::io::Error| {
            Terminal::new(ErrorCode::RepositoryNotFound, format!("{repo_url} cannot be opened: {error}"))
        };
        Ok(Self::Path(path.canonicalize().map_err(missing)?))
    }

    /// The path or address, for git.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Address(address) => address.clone(),
        }
    }

    /// The name of the copy: the last segment of the address, and a digest that makes it unique.
    pub(super) fn name(&self) -> String {
        let address = self.address();
        let last = address.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let last = last.strip_suffix(".git").unwrap_or(last);
        let readable: String =
            last.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(40).collect();
        format!("{readable}-{}", &Digest256::of(address.as_bytes()).as_str()[..8])
    }

    /// The head of a branch, and the name of the default branch if none is given, when two files of a directory say it: then no
    /// process is needed. None when git has to be asked.
    pub(super) fn loose_head(&self, branch: Option<&str>) -> Option<(String, CommitId)> {
        let Self::Path(path) = self else { return None };
        let directory =
            [path.join(".git"), path.clone()].into_iter().find(|directory| directory.join("HEAD").is_file())?;
        let branch = match branch {
            Some(branch) => branch.to_owned(),
            None => branch_of(&read_reference(&directory.join("HEAD"))?)?,
        };
        if !domain::is_branch_name(&branch) {
            return None;
        }
        // A loose reference goes before a packed one. One that names another reference is left to git.
        let commit = read_reference(&directory.join("refs/heads").join(&branch))?;
        let commit = commit.trim();
        Some((branch, (commit.len() == 40).then(|| commit.parse().ok()).flatten()?))
    }

    /// Lists the branches.
    pub(super) async fn heads(&self, git: &Git) -> Result<Heads, ForgeError> {
        let mut command = self.command(git)?;
        command.args(["ls-remote", "--symref", "--"]).arg(self.address()).args(["HEAD", "refs/heads/*"]);
        let output = git::run(command, b"").await?;
        if !output.success {
            return Err(self.error(&output.stderr));
        }
        let mut heads = Heads::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Some((value, name)) = line.split_once('\t') else { continue };
            if let Some(branch) = value.strip_prefix("ref: refs/heads/") {
                heads.default = Some(branch.to_owned());
            } else if let (Some(branch), Ok(commit)) = (name.strip_prefix("refs/heads/"), value.parse()) {
                if value.len() != 40 {
                    let message = format!("{} uses SHA-256 object names, which are not supported yet", self.address());
                    return Err(Terminal::new(ErrorCode::InvalidRequest, message).into());
                }
                heads.branches.insert(branch.to_owned(), commit);
            }
        }
        if heads.default.is_none() && heads.branches.is_empty() {
            heads.default = self.unborn_branch();
        }
        Ok(heads)
    }

    /// Fetches a branch into the copy.
    pub(super) async fn fetch(&self, git: &Git, branch: &str, head: &CommitId) -> Result<(), ForgeError> {
        git.delete_conflicting_branches(branch).await?;
        let mut command = self.command(git)?;
        let refspec = format!("+refs/heads/{branch}:refs/heads/{branch}");
        command.arg("--git-dir").arg(git.repository());
        command
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow", "--"])
            .arg(self.address())
            .arg(refspec);
        let output = git::run(command, b"").await?;
        if !output.success {
            return Err(self.error(&output.stderr));
        }
        // git can refuse to update a branch and still exit with success.
        if git.resolve(&format!("refs/heads/{branch}")).await?.as_ref() == Some(head) {
            return Ok(());
        }
        let message = format!("branch {branch} could not be copied at {head}: {}", output.stderr.trim());
        Err(Terminal::new(ErrorCode::CloneFailed, message).into())
    }

    /// git for reading the source. A path that another user owns is declared safe, since the user named it, and only
    /// `upload-pack` runs there, which executes no commands from the repository's configuration.
    fn command(&self, git: &Git) -> Result<Command, Unavailable> {
        let mut command = match self {
            Self::Path(_) => git::command(),
            Self::Address(_) => git::command_as_configured(),
        };
        if let Self::Path(path) = self {
            let file = git.repository().with_file_name("gitconfig");
            let escaped = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("[safe]\n\tdirectory = \"{escaped}\"\n\tdirectory = \"{escaped}/.git\"\n");
            std::fs::write(&file, text).map_err(|error| Unavailable::new(Dependency::Forge, error))?;
            command.env("GIT_CONFIG_GLOBAL", file);
        }
        Ok(command)
    }

    /// The branch that HEAD names in a repository without commits.
    fn unborn_branch(&self) -> Option<String> {
        let Self::Path(path) = self else { return None };
        let heads = [path.join(".git/HEAD"), path.join("HEAD")];
        branch_of(&heads.iter().find_map(|head| read_reference(head))?)
    }

    /// Classifies a failure by what git printed: it has no exit codes for the reasons.
    fn error(&self, stderr: &str) -> ForgeError {
        let output = stderr.trim();
        let address = self.address();
        let denied = ["Authentication failed", "could not read Username", "Permission denied", "403"];
        let code = if denied.iter().any(|text| output.contains(text)) {
            ErrorCode::RepositoryForbidden
        } else if ["does not appear to be a git repository", "not found", "does not exist", "not a git repository"]
            .iter()
            .any(|text| output.contains(text))
        {
            ErrorCode::RepositoryNotFound
        } else {
            match self {
                // A retry would read the same directory and fail again.
                Self::Path(_) => ErrorCode::CloneFailed,
                Self::Address(_) => return Unavailable::new(Dependency::Forge, format!("{address}: {output}")).into(),
            }
        };
        let hint = match self {
            Self::Path(_) => " (is it a git repository?)",
            Self::Address(_) => "",
        };
        Terminal::new(code, format!("{address} cannot be read{hint}: {output}")).into()
    }
}

/// Maximum size of a file that holds a reference, in bytes: far more than the longest name of a branch.
const MAX_REFERENCE_BYTES: u64 = 4096;

/// The content of a file that holds a reference. None for what is no ordinary file: a repository of somebody else's may have a pipe
/// or a device in its place, and reading it would not end.
fn read_reference(file: &Path) -> Option<String> {
    let metadata = std::fs::metadata(file).ok()?;
    let is_plain = metadata.is_file() && metadata.len() <= MAX_REFERENCE_BYTES;
    is_plain.then(|| std::fs::read_to_string(file).ok()).flatten()
}

/// The branch that the content of a file `HEAD` names.
fn branch_of(head: &str) -> Option<String> {
    let branch = head.trim().strip_prefix("ref: refs/heads/")?;
    domain::is_branch_name(branch).then(|| branch.to_owned())
}
