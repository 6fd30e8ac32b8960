//! Names of Python packages in requirement lines.

use std::collections::BTreeSet;

/// Normalized names of the packages that a project requires.
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

/// The normalized name of the package in a requirement such as `Scikit_Learn[extra]>=1.5 ; python_version > "3"`. None for
/// options, URLs and comments.
pub(crate) fn package_of(requirement: &str) -> Option<String> {
    let requirement = requirement.trim();
    let length = requirement
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')))
        .unwrap_or(requirement.len());
    let (name, rest) = requirement.split_at(length);
    let is_valid_start = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    // `git+https://…` and `https://…` are URLs; `name @ https://…` has a name.
    let is_url = rest.starts_with('+') || rest.starts_with(':') || rest.starts_with('/');
    (is_valid_start && !is_url).then(|| name.to_ascii_lowercase().replace(['_', '.'], "-"))
}

/// The names in a requirements file, or in the `dependencies` list of a conda environment.
pub(crate) fn packages_of(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().filter_map(|line| package_of(line.trim_start().trim_start_matches("- ")))
}
