//! Python: pyproject.toml, requirements files, setup.cfg, tox, nox, Django's manage.py.

mod commands;
mod packages;
mod project;

use domain::ProjectType::{DataScience, Web};
use toml::Value;

use super::requirements::Requirements;
use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::{Directory, Repository};
use commands::has_tests;
use packages::KNOWN;
use project::Project;

const NOTEBOOKS: KnownPackage = KnownPackage::new("notebooks", "Jupyter", DataScience, 4);
const WSGI: KnownPackage = KnownPackage::new("wsgi", "WSGI", Web, 8);
const HTTP: KnownPackage = KnownPackage::new("http", "HTTP service", Web, 6);

/// Files that mark their directory as a Python project.
const MANIFESTS: &[&str] =
    &["pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "requirements.txt", "environment.yml", "manage.py"];

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    if repository.notebooks() > 0 {
        evidence.framework(Directory::ROOT, DependencyKind::Runtime, &NOTEBOOKS);
    }
    let projects = repository.project_directories(MANIFESTS);
    let command_directories = projects.for_commands();
    for directory in projects.all() {
        let project = Project::read(repository, directory);
        project.frameworks(evidence);
        if command_directories.contains(&directory) {
            project.commands(repository, evidence);
        }
    }
    // Modules with tests are a project even without a manifest.
    if projects.is_empty() && repository.bytes("py") > 0 && has_tests(repository, Directory::ROOT) {
        evidence.test(Directory::ROOT, "python3 -m unittest");
    }
}

impl Project<'_> {
    fn frameworks(&self, evidence: &mut Evidence) {
        let Requirements { runtime, development } = &self.requirements;
        evidence.packages(self.directory, DependencyKind::Runtime, KNOWN, runtime.iter().map(String::as_str));
        evidence.packages(self.directory, DependencyKind::Development, KNOWN, development.iter().map(String::as_str));
        // A service that uses only the standard library has no framework, but its classifiers may name its topic.
        let project = self.pyproject.get("project");
        let topics = project.and_then(|project| project.get("classifiers")).and_then(Value::as_array);
        let mut topics = topics.into_iter().flatten().filter_map(Value::as_str).take(100);
        if let Some(topic) = topics.find(|topic| topic.starts_with("Topic :: Internet :: WWW/HTTP")) {
            evidence.framework(
                self.directory,
                DependencyKind::Runtime,
                if topic.contains("WSGI") { &WSGI } else { &HTTP },
            );
        }
    }
}
