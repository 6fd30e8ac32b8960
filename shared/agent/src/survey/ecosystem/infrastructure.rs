//! Infrastructure: Terraform, Helm, Kustomize, Ansible, Docker.

use domain::ProjectType::Devops;

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::{Directory, Repository};

const TERRAFORM: KnownPackage = KnownPackage::new("terraform", "Terraform", Devops, 8);
const HELM: KnownPackage = KnownPackage::new("helm", "Helm", Devops, 6);
const KUBERNETES: KnownPackage = KnownPackage::new("kubernetes", "Kubernetes", Devops, 4);
const ANSIBLE: KnownPackage = KnownPackage::new("ansible", "Ansible", Devops, 8);
const DOCKER: KnownPackage = KnownPackage::new("docker", "Docker", Devops, 1);
const COMPOSE: KnownPackage = KnownPackage::new("compose", "Docker Compose", Devops, 1);

/// Maximum directories of one tool that commands are listed for.
const MAX_DIRECTORIES: usize = 4;

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    terraform(repository, evidence);
    helm(repository, evidence);
    kustomize(repository, evidence);
    ansible(repository, evidence);
    for (matches, known) in [(is_dockerfile as fn(&str) -> bool, &DOCKER), (is_compose, &COMPOSE)] {
        if repository.manifests().any(|manifest| matches(manifest.name)) {
            evidence.framework(Directory::ROOT, DependencyKind::Runtime, known);
        }
    }
}

fn terraform(repository: &Repository<'_>, evidence: &mut Evidence) {
    let directories = repository.directories_with(|name| name.ends_with(".tf"));
    // A module is validated with the configuration that uses it.
    let configurations =
        directories.iter().filter(|directory| !directory.path().split('/').any(|part| part == "modules"));
    for directory in configurations.take(MAX_DIRECTORIES) {
        let Some(path) = directory.argument() else { continue };
        let terraform = if directory.is_root() { "terraform".to_owned() } else { format!("terraform -chdir={path}") };
        evidence.install(Directory::ROOT, &format!("{terraform} init -backend=false"));
        evidence.test(Directory::ROOT, &format!("{terraform} validate"));
        evidence.lint(Directory::ROOT, &format!("{terraform} fmt -check -recursive"));
    }
    if !directories.is_empty() {
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &TERRAFORM);
    }
    if [".tflint.hcl"].iter().any(|name| repository.has_in(Directory::ROOT, name)) {
        evidence.lint(Directory::ROOT, "tflint --recursive");
    }
}

fn helm(repository: &Repository<'_>, evidence: &mut Evidence) {
    let charts = repository.directories_with(|name| name == "Chart.yaml");
    for chart in charts.iter().take(MAX_DIRECTORIES) {
        let Some(path) = chart.argument() else { continue };
        evidence.lint(Directory::ROOT, &format!("helm lint {path}"));
    }
    if !charts.is_empty() {
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &HELM);
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &KUBERNETES);
    }
}

fn kustomize(repository: &Repository<'_>, evidence: &mut Evidence) {
    let directories = repository
        .directories_with(|name| matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization"));
    for directory in directories.iter().take(MAX_DIRECTORIES) {
        let Some(path) = directory.argument() else { continue };
        evidence.build(Directory::ROOT, &format!("kubectl kustomize {path}"));
    }
    if !directories.is_empty() {
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &KUBERNETES);
    }
}

fn ansible(repository: &Repository<'_>, evidence: &mut Evidence) {
    let is_playbook = |name: &str| name.starts_with("playbook") && (name.ends_with(".yml") || name.ends_with(".yaml"));
    let has_playbook = repository.manifests().any(|manifest| is_playbook(manifest.name));
    if has_playbook || repository.has_in(Directory::ROOT, "ansible.cfg") {
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &ANSIBLE);
        evidence.lint(Directory::ROOT, "ansible-lint");
    }
}

fn is_dockerfile(name: &str) -> bool {
    name == "Dockerfile" || name == "Containerfile" || name.starts_with("Dockerfile.") || name.ends_with(".Dockerfile")
}

fn is_compose(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".yml").or(name.strip_suffix(".yaml")) else { return false };
    stem.starts_with("docker-compose") || stem == "compose"
}
