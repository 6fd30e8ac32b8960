//! What the ecosystems found, gathered without repetition and within limits.

use domain::ProjectType;

use super::repository::Directory;

/// Entries kept of one list. What the model is told stays short, whatever a repository holds.
const MAX_ENTRIES: usize = 16;

/// A package that says what a project is.
pub(super) struct Known {
    /// The package's name in its index, in lower case.
    pub(super) package: &'static str,
    /// Its name among people.
    pub(super) name: &'static str,
    /// The kind of project it speaks for.
    pub(super) kind: ProjectType,
    /// How strongly; 0 is worth a mention and says nothing about the kind.
    pub(super) weight: u32,
}

impl Known {
    /// An entry of an ecosystem's table.
    pub(super) const fn new(package: &'static str, name: &'static str, kind: ProjectType, weight: u32) -> Self {
        Self { package, name, kind, weight }
    }
}

/// What a project needs a package for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// To run.
    Runtime,
    /// To be worked on. Says half as much about what the project is.
    Development,
}

/// Everything found so far.
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

/// How much speaks for each kind of project.
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

    /// Notes a framework, once.
    pub(super) fn framework(&mut self, directory: Directory<'_>, need: Need, known: &Known) {
        if self.frameworks.contains(&known.name) {
            return;
        }
        let mut weight = known.weight * 2;
        if need == Need::Development {
            weight /= 2;
        }
        if !directory.is_root() {
            weight /= 2;
        }
        self.speak_for(known.kind, weight);
        if self.frameworks.len() < MAX_ENTRIES {
            self.frameworks.push(known.name);
        }
    }

    /// Notes whichever of the packages the table knows.
    pub(super) fn packages<'a>(
        &mut self,
        directory: Directory<'_>,
        need: Need,
        table: &[Known],
        packages: impl IntoIterator<Item = &'a str>,
    ) {
        for package in packages {
            if let Some(known) = table.iter().find(|known| known.package == package) {
                self.framework(directory, need, known);
            }
        }
    }

    fn speak_for(&mut self, kind: ProjectType, weight: u32) {
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
