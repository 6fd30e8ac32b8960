//! A Python project, read from the manifests of its directory.

use toml::{Table, Value};

use crate::survey::ecosystem::requirements::{Requirements, package_of, packages_of};
use crate::survey::repository::{Directory, Manifest, Repository};

pub(super) struct Project<'a> {
    pub(super) directory: Directory<'a>,
    pub(super) pyproject: Table,
    pub(super) requirements: Requirements,
    /// The contents of `setup.cfg` and `tox.ini`, whose sections configure tools.
    settings: Vec<&'a str>,
    pub(super) files: Vec<&'a str>,
}

impl<'a> Project<'a> {
    pub(super) fn read(repository: &'a Repository<'_>, directory: Directory<'a>) -> Self {
        let mut project = Self {
            directory,
            pyproject: Table::new(),
            requirements: Requirements::default(),
            settings: Vec::new(),
            files: Vec::new(),
        };
        for manifest in repository.in_directory(directory) {
            project.files.push(manifest.name);
            match manifest.name {
                "pyproject.toml" => project.read_pyproject(manifest),
                "setup.cfg" | "tox.ini" => project.settings.push(manifest.text),
                "environment.yml" | "environment.yaml" => {
                    project.requirements.runtime.extend(packages_of(manifest.text));
                }
                "Pipfile" => project.read_pipfile(manifest),
                name if name.starts_with("requirements") => {
                    let development = ["dev", "test", "lint"].iter().any(|word| name.contains(word));
                    let names = packages_of(manifest.text);
                    if development {
                        project.requirements.development.extend(names);
                    } else {
                        project.requirements.runtime.extend(names);
                    }
                }
                _ => {}
            }
        }
        project
    }

    fn read_pyproject(&mut self, manifest: &Manifest<'_>) {
        self.pyproject = manifest.toml().unwrap_or_default();
        let root = Value::Table(self.pyproject.clone());
        self.requirements.runtime.extend(names_in(at(&root, &["project", "dependencies"])));
        self.requirements.runtime.extend(keys_of(at(&root, &["tool", "poetry", "dependencies"])));
        self.requirements.runtime.remove("python");
        for groups in [
            at(&root, &["project", "optional-dependencies"]),
            at(&root, &["dependency-groups"]),
            at(&root, &["tool", "pdm", "dev-dependencies"]),
        ] {
            for group in groups.and_then(Value::as_table).into_iter().flat_map(Table::values) {
                self.requirements.development.extend(names_in(Some(group)));
            }
        }
        self.requirements.development.extend(names_in(at(&root, &["tool", "uv", "dev-dependencies"])));
        self.requirements.development.extend(keys_of(at(&root, &["tool", "poetry", "dev-dependencies"])));
        let groups = at(&root, &["tool", "poetry", "group"]).and_then(Value::as_table);
        for group in groups.into_iter().flat_map(Table::values) {
            self.requirements.development.extend(keys_of(group.get("dependencies")));
        }
    }

    fn read_pipfile(&mut self, manifest: &Manifest<'_>) {
        let pipfile = manifest.toml().unwrap_or_default();
        self.requirements.runtime.extend(keys_of(pipfile.get("packages")));
        self.requirements.development.extend(keys_of(pipfile.get("dev-packages")));
    }

    /// Whether a tool is installed or configured.
    pub(super) fn uses(&self, tool: &str) -> bool {
        let tools = self.pyproject.get("tool");
        self.requirements.contains(tool) || tools.and_then(|tools| tools.get(tool)).is_some()
    }

    /// Whether the settings list the paths that mypy checks. Mypy ignores that list when it is given a path.
    pub(super) fn configures_mypy_paths(&self) -> bool {
        let mypy = self.pyproject.get("tool").and_then(|tools| tools.get("mypy"));
        mypy.is_some_and(|mypy| ["files", "packages", "modules"].iter().any(|key| mypy.get(key).is_some()))
    }

    pub(super) fn has_section(&self, name: &str) -> bool {
        self.sections().any(|section| section == name)
    }

    pub(super) fn has_section_starting(&self, name: &str) -> bool {
        self.sections().any(|section| section.starts_with(name))
    }

    fn sections(&self) -> impl Iterator<Item = &str> {
        let lines = self.settings.iter().flat_map(|text| text.lines());
        lines.filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'))
    }
}

fn at<'a>(root: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, key| value.get(key))
}

/// Package names in a list of requirements. Entries that are not strings, such as `{include-group = …}`, have none.
fn names_in(list: Option<&Value>) -> impl Iterator<Item = String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).filter_map(package_of)
}

/// Package names that are keys of a table.
fn keys_of(table: Option<&Value>) -> impl Iterator<Item = String> {
    table.and_then(Value::as_table).into_iter().flat_map(Table::keys).filter_map(|key| package_of(key))
}
