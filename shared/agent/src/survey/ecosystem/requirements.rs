//! Names of Python packages, from requirement lines.

use std::collections::BTreeSet;

/// Names of packages, normalised, by what they are needed for.
#[derive(Default)]
pub(crate) struct Requirements {
    pub(crate) runtime: BTreeSet<String>,
    pub(crate) development: BTreeSet<String>,
}

impl Requirements {
    pub(crate) fn contains(&self, package: &str) -> bool {
        self.runtime.contains(package) || self.development.contains(package)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runtime.is_empty() && self.development.is_empty()
    }
}

/// The name of the package that a requirement (`Scikit_Learn[extra]>=1.5 ; python_version > "3"`) asks for, as the index
/// normalises it. Options, addresses and comments have none.
pub(crate) fn package_of(requirement: &str) -> Option<String> {
    let requirement = requirement.trim();
    let length = requirement
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')))
        .unwrap_or(requirement.len());
    let (name, rest) = requirement.split_at(length);
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    // `git+https://…` and `https://…` are addresses; `name @ https://…` is a name.
    let is_address = rest.starts_with('+') || rest.starts_with(':') || rest.starts_with('/');
    (begins_well && !is_address).then(|| name.to_ascii_lowercase().replace(['_', '.'], "-"))
}

/// The names in a requirements file, or in the `dependencies` list of a conda environment.
pub(crate) fn packages_of(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().filter_map(|line| package_of(line.trim_start().trim_start_matches("- ")))
}
