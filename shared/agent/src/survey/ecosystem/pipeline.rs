//! CI pipelines.

use domain::ProjectType::Devops;

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::{Directory, Repository};

/// The weight is low because nearly every project has a pipeline.
const GITHUB_ACTIONS: KnownPackage = KnownPackage::new("github-actions", "GitHub Actions", Devops, 1);
const GITLAB: KnownPackage = KnownPackage::new("gitlab", "GitLab CI", Devops, 1);

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let is_workflow = |name: &str| name.ends_with(".yml") || name.ends_with(".yaml");
    let directory = ".github/workflows";
    if repository.manifests().any(|manifest| manifest.directory.path() == directory && is_workflow(manifest.name)) {
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &GITHUB_ACTIONS);
    }
    if repository.has_in(Directory::ROOT, ".gitlab-ci.yml") {
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &GITLAB);
    }
}
