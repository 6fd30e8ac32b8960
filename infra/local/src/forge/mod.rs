//! The local forge: bare repositories, with pull requests as files beside them.
//!
//! The repository that the user named is only read, through git's transport; branches are published in the forge's copy of it.

mod export;
pub(crate) mod git;
mod import;
mod pulls;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use async_trait::async_trait;
use domain::ports::{CloneSource, Forge, ForgeError, Publication, Published, PullRequest, PullRequestText, Repository};
use domain::{CommitId, Dependency, ErrorCode, Terminal, Unavailable, WorkspacePath};

pub use pulls::PullRecord;

use git::{Git, OWN_BRANCHES};
use source::Source;

pub struct LocalForge {
    directory: PathBuf,
    /// Base address of the server that shows pull requests, once one does.
    pages: OnceLock<String>,
}

/// A commit of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Commit {
    pub id: String,
    pub subject: String,
    pub author: String,
    /// The author's date (RFC 3339).
    pub date: String,
}

impl LocalForge {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, pages: OnceLock::new() }
    }

    /// Gives pull requests URLs below this address from now on. Only the first call has an effect.
    pub fn serve_pages_at(&self, address: String) {
        let _ = self.pages.set(address);
    }

    /// The URL at which users see a pull request.
    fn url_of(&self, name: &str, number: u64) -> String {
        match self.pages.get() {
            Some(address) => format!("{address}{}", page_path(name, number)),
            None => pulls::file_url(&self.home_of(name), number),
        }
    }

    /// Whether a URL is that of a pull request. The URL may stem from a time with or without a server.
    pub fn is_url_of(&self, url: &str, name: &str, number: u64) -> bool {
        url.ends_with(&page_path(name, number)) || url == pulls::file_url(&self.home_of(name), number)
    }

    fn handle(&self, name: &str, number: u64) -> PullRequest {
        PullRequest { number, url: self.url_of(name, number) }
    }

    /// The directory of a repository: `repository.git`, `source` (the original's address) and `pulls`.
    pub fn home_of(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The bare repository in which branches are published.
    pub fn repository_of(&self, name: &str) -> PathBuf {
        self.home_of(name).join("repository.git")
    }

    pub fn pull_request(&self, name: &str, number: u64) -> Result<Option<PullRecord>, Unavailable> {
        pulls::read(&self.home_of(name), number).map_err(|error| Unavailable::new(Dependency::Forge, error))
    }

    /// Whether the forge has a repository of that name. A name that could leave the forge's directory is unknown.
    pub fn is_known(&self, name: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(plain)
            && self.home_of(name).join("source").is_file()
    }

    /// The commits of a pull request, oldest first. At most the latest hundred.
    pub async fn commits(&self, name: &str, record: &PullRecord) -> Result<Vec<Commit>, Unavailable> {
        let git = self.git(name);
        let head = format!("refs/heads/{}", record.head);
        let base = format!("refs/heads/{}", record.base);
        let mut arguments: Vec<String> =
            ["log", "-z", "--max-count=100", "--format=%H%x1f%s%x1f%an%x1f%aI"].map(str::to_owned).into();
        if git.resolve(&head).await?.is_none() {
            return Ok(Vec::new());
        }
        arguments.push(head);
        if git.resolve(&base).await?.is_some() {
            arguments.push(format!("^{base}"));
        }
        arguments.push("--".to_owned());
        let output = git.run(&arguments, b"").await?;
        let output = String::from_utf8_lossy(&output);
        let commits = output.split('\0').filter_map(|line| {
            let mut parts = line.split('\u{1f}').map(str::to_owned);
            Some(Commit { id: parts.next()?, subject: parts.next()?, author: parts.next()?, date: parts.next()? })
        });
        let mut commits: Vec<Commit> = commits.collect();
        commits.reverse();
        Ok(commits)
    }

    fn git(&self, name: &str) -> Git {
        Git::new(self.repository_of(name))
    }

    /// The source that a repository was copied from.
    fn source(&self, name: &str) -> Result<Source, ForgeError> {
        let file = self.home_of(name).join("source");
        let text = std::fs::read_to_string(&file).map_err(|error| Unavailable::new(Dependency::Forge, error))?;
        Ok(Source::parse(text.trim())?)
    }

    /// The head of a branch: in the forge's copy for a published branch, otherwise in the source, from which it is fetched.
    async fn head(&self, name: &str, branch: &str) -> Result<Option<CommitId>, ForgeError> {
        let git = self.git(name);
        if branch.starts_with(OWN_BRANCHES)
            && let Some(head) = git.resolve(&format!("refs/heads/{branch}")).await?
        {
            return Ok(Some(head));
        }
        let source = self.source(name)?;
        let head = match source.loose_head(Some(branch)) {
            Some((_, head)) => Some(head),
            None => source.heads(&git).await?.branches.get(branch).cloned(),
        };
        let Some(head) = head else { return Ok(None) };
        copy(&git, &source, branch, &head).await?;
        Ok(Some(head))
    }
}

/// Copies a branch from the source, unless the copy is at its head already.
async fn copy(git: &Git, source: &Source, branch: &str, head: &CommitId) -> Result<(), ForgeError> {
    if git.resolve(&format!("refs/heads/{branch}")).await?.as_ref() == Some(head) {
        return Ok(());
    }
    source.fetch(git, branch, head).await
}

#[async_trait]
impl Forge for LocalForge {
    async fn preflight(&self, repo_url: &str, base_branch: Option<&str>) -> Result<Repository, ForgeError> {
        let source = Source::parse(repo_url)?;
        let name = source.name();
        let home = self.home_of(&name);
        std::fs::create_dir_all(home.join("pulls")).map_err(|error| Unavailable::new(Dependency::Forge, error))?;
        std::fs::write(home.join("source"), source.address())
            .map_err(|error| Unavailable::new(Dependency::Forge, error))?;
        let git = self.git(&name);
        git.init().await?;
        if let Some(branch) = base_branch.filter(|branch| branch.starts_with(OWN_BRANCHES))
            && let Some(head) = git.resolve(&format!("refs/heads/{branch}")).await?
        {
            return Ok(Repository { name, base_branch: branch.to_owned(), base_commit: Some(head) });
        }
        if base_branch == Some(OWN_BRANCHES.trim_end_matches('/')) {
            let message = "a branch named backspace cannot be the base: git then allows no branches backspace/…, which is where results are published";
            return Err(Terminal::new(ErrorCode::InvalidRequest, message).into());
        }
        if let Some((base_branch, head)) = source.loose_head(base_branch) {
            copy(&git, &source, &base_branch, &head).await?;
            return Ok(Repository { name, base_branch, base_commit: Some(head) });
        }
        let heads = source.heads(&git).await?;
        let base_branch = match base_branch {
            Some(branch) => branch.to_owned(),
            None => heads.default_branch(repo_url)?,
        };
        if heads.branches.is_empty() {
            return Ok(Repository { name, base_branch, base_commit: None });
        }
        let Some(head) = heads.branches.get(&base_branch).cloned() else {
            let message = format!("{repo_url} has no branch {base_branch}");
            return Err(Terminal::new(ErrorCode::BranchNotFound, message).into());
        };
        copy(&git, &source, &base_branch, &head).await?;
        Ok(Repository { name, base_branch, base_commit: Some(head) })
    }

    async fn clone_source(&self, repository: &Repository) -> Result<CloneSource, ForgeError> {
        let home = self.home_of(&repository.name);
        let export = match &repository.base_commit {
            Some(commit) => export::export(&self.git(&repository.name), &home, &repository.base_branch, commit).await?,
            None => export::empty(&home).await?,
        };
        Ok(CloneSource::Directory(export))
    }

    async fn branch_head(&self, repository: &str, branch: &str) -> Result<Option<CommitId>, ForgeError> {
        self.head(repository, branch).await
    }

    async fn changed_paths(
        &self,
        repository: &str,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<WorkspacePath>, ForgeError> {
        let arguments = ["diff", "--name-only", "--no-renames", "-z", from.as_str(), to.as_str(), "--"];
        let listed = self.git(repository).run(&arguments, b"").await?;
        let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        // A path that cannot be published cannot have been changed by a session.
        Ok(paths
            .filter_map(|path| String::from_utf8(path.to_vec()).ok())
            .filter_map(|path| WorkspacePath::try_from(path).ok())
            .collect())
    }

    async fn contents(
        &self,
        repository: &str,
        commit: &CommitId,
        paths: &[WorkspacePath],
    ) -> Result<BTreeMap<WorkspacePath, Vec<u8>>, ForgeError> {
        let objects: Vec<String> = paths.iter().map(|path| format!("{commit}:{path}")).collect();
        let contents = self.git(repository).blobs(&objects).await?;
        Ok(paths.iter().zip(contents).filter_map(|(path, content)| Some((path.clone(), content?))).collect())
    }

    async fn publish(&self, repository: &str, publication: &Publication) -> Result<Published, ForgeError> {
        let git = self.git(repository);
        let commit = import::commit(&git, publication).await?;
        match git.move_branch(&publication.branch, &commit, publication.expected_head.as_ref()).await? {
            true => {
                let url = format!("file://{}", display(&self.repository_of(repository)));
                Ok(Published::Done { commit, url })
            }
            false => {
                let head = git.resolve(&format!("refs/heads/{}", publication.branch)).await?;
                Err(ForgeError::BranchMoved { branch: publication.branch.clone(), head })
            }
        }
    }

    async fn find_pull_request(&self, repository: &str, branch: &str) -> Result<Option<PullRequest>, ForgeError> {
        let found = pulls::find(&self.home_of(repository), branch);
        let found = found.map_err(|error| Unavailable::new(Dependency::Forge, error))?;
        Ok(found.map(|number| self.handle(repository, number)))
    }

    async fn open_pull_request(&self, repository: &str, text: &PullRequestText) -> Result<PullRequest, ForgeError> {
        let record = PullRecord::of(text, &self.git(repository)).await?;
        let opened = pulls::add(&self.home_of(repository), record);
        let number = opened.map_err(|error| Unavailable::new(Dependency::Forge, error))?;
        Ok(self.handle(repository, number))
    }

    async fn update_pull_request(
        &self,
        repository: &str,
        pull_request: &PullRequest,
        text: &PullRequestText,
    ) -> Result<(), ForgeError> {
        let record = PullRecord::of(text, &self.git(repository)).await?;
        let written = pulls::write(&self.home_of(repository), pull_request.number, &record);
        Ok(written.map_err(|error| Unavailable::new(Dependency::Forge, error))?)
    }
}

fn page_path(name: &str, number: u64) -> String {
    format!("/pulls/{name}/{number}")
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
