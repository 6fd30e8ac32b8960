//! The evidence that the ecosystems' detectors collect, without duplicates and within limits.

use domain::ProjectType;

use super::repository::Directory;

/// Maximum entries of each list, since the survey is part of every conversation's opening.
const MAX_ENTRIES: usize = 16;

/// A package or file that indicates a kind of project.
pub(super) struct KnownPackage {
    /// The package's name in its index, in lower case.
    pub(super) package: &'static str,
    /// The name that people use.
    pub(super) name: &'static str,
    /// The kind of project that it indicates.
    pub(super) kind: ProjectType,
    /// How strongly it indicates that kind. With 0 it is only listed as a framework.
    pub(super) weight: u32,
}

impl KnownPackage {
    pub(super) const fn new(package: &'static str, name: &'static str, kind: ProjectType, weight: u32) -> Self {
        Self { package, name, kind, weight }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DependencyKind {
    Runtime,
    /// Counts half: it says less about what the project is.
    Development,
}

#[derive(Default)]
pub(super) struct Evidence {
    pub(super) frameworks: Vec<&'static str>,
    pub(super) install: Vec<String>,
    pub(super) build: Vec<String>,
    pub(super) test: Vec<String>,
    pub(super) lint: Vec<String>,
    pub(super) conventions: Vec<String>,
    weights: Weights,
}

/// The sum of weights for each kind of project.
#[derive(Default, Clone, Copy)]
pub(super) struct Weights {
    pub(super) web: u32,
    pub(super) frontend: u32,
    pub(super) data_science: u32,
    pub(super) devops: u32,
}

impl Evidence {
    pub(super) fn weights(&self) -> Weights {
        self.weights
    }

    /// Adds a framework and its weight, once. Half the weight counts for a development dependency, and half for a framework
    /// that is used below the root only.
    pub(super) fn framework(&mut self, directory: Directory<'_>, dependency: DependencyKind, known: &KnownPackage) {
        if self.frameworks.contains(&known.name) {
            return;
        }
        let mut weight = known.weight * 2;
        if dependency == DependencyKind::Development {
            weight /= 2;
        }
        if !directory.is_root() {
            weight /= 2;
        }
        self.add_weight(known.kind, weight);
        if self.frameworks.len() < MAX_ENTRIES {
            self.frameworks.push(known.name);
        }
    }

    /// Adds those of the packages that the table lists.
    pub(super) fn packages<'a>(
        &mut self,
        directory: Directory<'_>,
        dependency: DependencyKind,
        table: &[KnownPackage],
        packages: impl IntoIterator<Item = &'a str>,
    ) {
        for package in packages {
            if let Some(known) = table.iter().find(|known| known.package == package) {
                self.framework(directory, dependency, known);
            }
        }
    }

    fn add_weight(&mut self, kind: ProjectType, weight: u32) {
        match kind {
            ProjectType::Web => self.weights.web += weight,
            ProjectType::Frontend => self.weights.frontend += weight,
            ProjectType::DataScience => self.weights.data_science += weight,
            ProjectType::Devops => self.weights.devops += weight,
            ProjectType::General => {}
        }
    }

    pub(super) fn install(&mut self, directory: Directory<'_>, command: &str) {
        add(&mut self.install, directory.command(command));
    }

    pub(super) fn build(&mut self, directory: Directory<'_>, command: &str) {
        add(&mut self.build, directory.command(command));
    }

    pub(super) fn test(&mut self, directory: Directory<'_>, command: &str) {
        add(&mut self.test, directory.command(command));
    }

    pub(super) fn lint(&mut self, directory: Directory<'_>, command: &str) {
        add(&mut self.lint, directory.command(command));
    }

    pub(super) fn convention(&mut self, sentence: impl Into<String>) {
        add(&mut self.conventions, Some(sentence.into()));
    }
}

fn add(list: &mut Vec<String>, entry: Option<String>) {
    if let Some(entry) = entry
        && list.len() < MAX_ENTRIES
        && !list.contains(&entry)
    {
        list.push(entry);
    }
}
