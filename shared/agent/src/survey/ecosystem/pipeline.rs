//! Pipelines: which system runs the checks.

use domain::ProjectType::Devops;

use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::{Directory, Repository};

/// Nearly every project has a pipeline, so that it says little about the kind.
const GITHUB_ACTIONS: Known = Known::new("github-actions", "GitHub Actions", Devops, 1);
const GITLAB: Known = Known::new("gitlab", "GitLab CI", Devops, 1);

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    let workflows = |name: &str| name.ends_with(".yml") || name.ends_with(".yaml");
    let directory = ".github/workflows";
    if repository.manifests().any(|manifest| manifest.directory.path() == directory && workflows(manifest.name)) {
        evidence.framework(Directory::ROOT, Need::Runtime, &GITHUB_ACTIONS);
    }
    if repository.has_in(Directory::ROOT, ".gitlab-ci.yml") {
        evidence.framework(Directory::ROOT, Need::Runtime, &GITLAB);
    }
}
