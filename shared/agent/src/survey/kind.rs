//! Decides the kind of project from the weights of the evidence.

use domain::ProjectType;

use super::evidence::Evidence;
use super::language::{Purpose, bytes_in};
use super::repository::Repository;

/// Minimum weight of a kind. Less is found in projects of any kind: a Dockerfile, a pipeline, an array library.
const MIN_WEIGHT: u32 = 8;

/// The kind with the greatest weight. Of equal weights the first in the list counts, from web to devops.
pub(super) fn project_type(repository: &Repository<'_>, evidence: &Evidence) -> ProjectType {
    let mut weights = evidence.weights();
    if is_mostly_programs(repository) {
        // Infrastructure in the repository of an application serves the application.
        weights.devops /= 2;
    }
    let candidates = [
        (weights.web, ProjectType::Web),
        (weights.frontend, ProjectType::Frontend),
        (weights.data_science, ProjectType::DataScience),
        (weights.devops, ProjectType::Devops),
    ];
    let mut best = (MIN_WEIGHT - 1, ProjectType::General);
    for candidate in candidates {
        if candidate.0 > best.0 {
            best = candidate;
        }
    }
    best.1
}

/// Whether there are more bytes of programs than of infrastructure definitions and settings.
fn is_mostly_programs(repository: &Repository<'_>) -> bool {
    let is_definition = |name: &str| matches!(name, "HCL" | "YAML" | "Shell" | "Nix");
    let programs = bytes_in(repository, |purpose, name| purpose == Purpose::Programming && !is_definition(name));
    programs > bytes_in(repository, |_, name| is_definition(name))
}
