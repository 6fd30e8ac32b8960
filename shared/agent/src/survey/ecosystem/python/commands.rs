//! The commands that install, test and lint a Python project.

use super::project::Project;
use crate::survey::evidence::Evidence;
use crate::survey::repository::{Directory, Repository};

impl Project<'_> {
    pub(super) fn commands(&self, repository: &Repository<'_>, evidence: &mut Evidence) {
        let directory = self.directory;
        let here = |name: &str| repository.has_in(directory, name);
        let runner = self.installer(repository, evidence);
        let run = |command: &str| format!("{runner}{command}");

        let configured = ["pytest.ini", "conftest.py", "tests/conftest.py"].iter().any(|name| here(name));
        let is_django = self.files.contains(&"manage.py");
        if self.uses("pytest") || configured || self.has_section("tool:pytest") {
            evidence.test(directory, &run("pytest"));
        } else if is_django {
            evidence.test(directory, &run("python manage.py test"));
        } else if has_tests(repository, directory) {
            evidence.test(directory, &run("python3 -m unittest"));
        }
        if self.files.contains(&"tox.ini") && self.has_section_starting("tox") {
            evidence.test(directory, "tox");
        }
        if self.files.contains(&"noxfile.py") {
            evidence.test(directory, "nox");
        }
        for (tool, files, command) in LINTERS {
            if self.uses(tool) || self.has_section(tool) || files.iter().any(|file| here(file)) {
                let command = if *tool == "mypy" && self.configures_mypy_paths() { "mypy" } else { command };
                evidence.lint(directory, &run(command));
            }
        }
        if directory.is_root() && repository.is_src_layout() {
            evidence.convention("src layout: packages are in src/");
        }
    }

    /// Adds the command that installs the project. Returns the prefix of commands that run in the installed environment.
    fn installer(&self, repository: &Repository<'_>, evidence: &mut Evidence) -> &'static str {
        let directory = self.directory;
        let tool = self.pyproject.get("tool");
        let configures = |name: &str| tool.and_then(|tool| tool.get(name)).is_some();
        let (install, runner) = if repository.has_in(directory, "uv.lock") || configures("uv") {
            ("uv sync", "uv run ")
        } else if repository.has_in(directory, "poetry.lock") || configures("poetry") {
            ("poetry install", "poetry run ")
        } else if repository.has_in(directory, "pdm.lock") || configures("pdm") {
            ("pdm install", "pdm run ")
        } else if self.files.contains(&"Pipfile") {
            ("pipenv install --dev", "pipenv run ")
        } else {
            self.install_with_pip(repository, evidence);
            return "";
        };
        evidence.install(directory, install);
        runner
    }

    fn install_with_pip(&self, repository: &Repository<'_>, evidence: &mut Evidence) {
        let directory = self.directory;
        let mut listed = false;
        for name in ["requirements.txt", "requirements-dev.txt", "requirements-test.txt"] {
            if self.files.contains(&name) {
                evidence.install(directory, &format!("pip install -r {name}"));
                listed = true;
            }
        }
        for name in ["environment.yml", "environment.yaml"] {
            if self.files.contains(&name) {
                evidence.install(directory, &format!("conda env update --file {name}"));
                listed = true;
            }
        }
        let needs_install = !self.requirements.is_empty() || repository.is_src_layout();
        let is_package = self.pyproject.contains_key("project") || self.files.contains(&"setup.py");
        if !listed && is_package && (needs_install || self.files.contains(&"setup.py")) {
            let extras = self.pyproject.get("project").and_then(|project| project.get("optional-dependencies"));
            let extra =
                ["dev", "test", "tests"].into_iter().find(|name| extras.is_some_and(|all| all.get(name).is_some()));
            match extra {
                Some(extra) => evidence.install(directory, &format!("pip install -e '.[{extra}]'")),
                None => evidence.install(directory, "pip install -e ."),
            }
        }
    }
}

/// Tool, files that configure it, and the command that checks without changing files.
const LINTERS: &[(&str, &[&str], &str)] = &[
    ("ruff", &["ruff.toml", ".ruff.toml"], "ruff check ."),
    ("black", &[], "black --check ."),
    ("isort", &[".isort.cfg"], "isort --check ."),
    ("flake8", &[".flake8"], "flake8"),
    ("mypy", &["mypy.ini", ".mypy.ini"], "mypy ."),
    ("pyright", &["pyrightconfig.json"], "pyright"),
];

pub(super) fn has_tests(repository: &Repository<'_>, directory: Directory<'_>) -> bool {
    ["tests", "test"].iter().any(|name| repository.has_in(directory, name))
        || repository.names_in(directory).any(|name| name.starts_with("test_") && name.ends_with(".py"))
}
