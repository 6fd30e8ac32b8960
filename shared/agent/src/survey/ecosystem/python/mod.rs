//! Python: pyproject.toml, requirements files, setup.cfg, tox, nox, Django's manage.py.

mod commands;
mod packages;
mod project;

use domain::ProjectType::{DataScience, Web};
use toml::Value;

use super::requirements::Requirements;
use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::{Directory, Repository};
use commands::has_tests;
use packages::KNOWN;
use project::Project;

const NOTEBOOKS: Known = Known::new("notebooks", "Jupyter", DataScience, 4);
const WSGI: Known = Known::new("wsgi", "WSGI", Web, 8);
const HTTP: Known = Known::new("http", "HTTP service", Web, 6);

/// Files that make their directory a Python project.
const MARKS: &[&str] =
    &["pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "requirements.txt", "environment.yml", "manage.py"];

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    if repository.notebooks() > 0 {
        evidence.framework(Directory::ROOT, Need::Runtime, &NOTEBOOKS);
    }
    let places = repository.places(MARKS);
    let worked_in = places.worked_in();
    for directory in places.all() {
        let project = Project::read(repository, directory);
        project.frameworks(evidence);
        if worked_in.contains(&directory) {
            project.commands(repository, evidence);
        }
    }
    // A handful of modules without any manifest is a project too.
    if places.is_empty() && repository.bytes("py") > 0 && has_tests(repository, Directory::ROOT) {
        evidence.test(Directory::ROOT, "python3 -m unittest");
    }
}

impl Project<'_> {
    fn frameworks(&self, evidence: &mut Evidence) {
        let Requirements { runtime, development } = &self.requirements;
        evidence.packages(self.directory, Need::Runtime, KNOWN, runtime.iter().map(String::as_str));
        evidence.packages(self.directory, Need::Development, KNOWN, development.iter().map(String::as_str));
        // A service on the standard library alone has no framework to be known by, but may say what it is.
        let project = self.pyproject.get("project");
        let topics = project.and_then(|project| project.get("classifiers")).and_then(Value::as_array);
        let mut topics = topics.into_iter().flatten().filter_map(Value::as_str).take(100);
        if let Some(topic) = topics.find(|topic| topic.starts_with("Topic :: Internet :: WWW/HTTP")) {
            evidence.framework(self.directory, Need::Runtime, if topic.contains("WSGI") { &WSGI } else { &HTTP });
        }
    }
}
