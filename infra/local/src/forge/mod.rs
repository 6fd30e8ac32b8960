//! The forge of the one-machine world: bare repositories of its own, pull requests as files beside them.
//!
//! What the user named is only ever read, through git's own transport; branches are published in the forge's copy.

pub(crate) mod git;
mod import;
mod pulls;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::ports::{CloneSource, Forge, ForgeError, Publication, Published, PullRequest, PullRequestText, Repository};
use domain::{CommitId, ErrorCode, Terminal, Unavailable, WorkspacePath};

pub use pulls::PullRecord;

use git::Git;
use source::Source;

/// The forge.
pub struct LocalForge {
    directory: PathBuf,
}

/// Branches of ours begin with this.
const OWN_BRANCHES: &str = "backspace/";

impl LocalForge {
    /// A forge that keeps everything below `directory`.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The directory of a repository, with `repository.git`, `source` and `pulls` in it.
    pub fn home_of(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The bare repository in which branches are published.
    pub fn repository_of(&self, name: &str) -> PathBuf {
        self.home_of(name).join("repository.git")
    }

    /// A pull request's record.
    pub fn pull_request(&self, name: &str, number: u64) -> Result<Option<PullRecord>, Unavailable> {
        pulls::read(&self.home_of(name), number).map_err(|error| Unavailable::new("the forge", error))
    }

    fn git(&self, name: &str) -> Git {
        Git::new(self.repository_of(name))
    }

    /// The source that a repository was copied from.
    fn source(&self, name: &str) -> Result<Source, ForgeError> {
        let file = self.home_of(name).join("source");
        let text = std::fs::read_to_string(&file).map_err(|error| Unavailable::new("the forge", error))?;
        Ok(Source::parse(text.trim())?)
    }

    /// The head of a branch: of our own copy for branches of ours, otherwise of the source, which is fetched.
    async fn head(&self, name: &str, branch: &str) -> Result<Option<CommitId>, ForgeError> {
        let git = self.git(name);
        if branch.starts_with(OWN_BRANCHES)
            && let Some(head) = git.resolve(&format!("refs/heads/{branch}")).await?
        {
            return Ok(Some(head));
        }
        let source = self.source(name)?;
        let heads = source.heads(&git).await?;
        let Some(head) = heads.branches.get(branch).cloned() else { return Ok(None) };
        if git.resolve(&format!("refs/heads/{branch}")).await? != Some(head.clone()) {
            source.fetch(&git, branch, &head).await?;
        }
        Ok(Some(head))
    }
}

#[async_trait]
impl Forge for LocalForge {
    async fn preflight(&self, repo_url: &str, base_branch: Option<&str>) -> Result<Repository, ForgeError> {
        let source = Source::parse(repo_url)?;
        let name = source.name();
        let home = self.home_of(&name);
        std::fs::create_dir_all(home.join("pulls")).map_err(|error| Unavailable::new("the forge", error))?;
        std::fs::write(home.join("source"), source.address()).map_err(|error| Unavailable::new("the forge", error))?;
        let git = self.git(&name);
        git.init().await?;
        if let Some(branch) = base_branch.filter(|branch| branch.starts_with(OWN_BRANCHES))
            && let Some(head) = git.resolve(&format!("refs/heads/{branch}")).await?
        {
            return Ok(Repository { name, base_branch: branch.to_owned(), base_commit: Some(head) });
        }
        if base_branch == Some(OWN_BRANCHES.trim_end_matches('/')) {
            let message = "a branch named backspace leaves no room for the branches that are published below that name";
            return Err(Terminal::new(ErrorCode::InvalidRequest, message).into());
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
        if git.resolve(&format!("refs/heads/{base_branch}")).await? != Some(head.clone()) {
            source.fetch(&git, &base_branch, &head).await?;
        }
        Ok(Repository { name, base_branch, base_commit: Some(head) })
    }

    async fn clone_source(&self, repository: &Repository) -> Result<CloneSource, ForgeError> {
        Ok(CloneSource::Directory(self.repository_of(&repository.name)))
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
        // A path that we could not publish cannot be among those we changed.
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
        let mut contents = BTreeMap::new();
        for path in paths {
            let object = format!("{commit}:{path}");
            if let Some(content) = self.git(repository).blob(&object).await? {
                contents.insert(path.clone(), content);
            }
        }
        Ok(contents)
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
        Ok(found.map_err(|error| Unavailable::new("the forge", error))?)
    }

    async fn open_pull_request(&self, repository: &str, text: &PullRequestText) -> Result<PullRequest, ForgeError> {
        let record = PullRecord::of(text, &self.git(repository)).await?;
        let opened = pulls::add(&self.home_of(repository), record);
        Ok(opened.map_err(|error| Unavailable::new("the forge", error))?)
    }

    async fn update_pull_request(
        &self,
        repository: &str,
        pull_request: &PullRequest,
        text: &PullRequestText,
    ) -> Result<(), ForgeError> {
        let record = PullRecord::of(text, &self.git(repository)).await?;
        let written = pulls::write(&self.home_of(repository), pull_request.number, &record);
        Ok(written.map_err(|error| Unavailable::new("the forge", error))?)
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
