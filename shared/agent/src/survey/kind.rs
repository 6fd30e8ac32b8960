//! What kind of project it is, weighed from what was found.

use domain::ProjectType;

use super::evidence::Evidence;
use super::language::{Use, bytes_in};
use super::repository::Repository;

/// Below this, what was found is what any project may have: a Dockerfile, a pipeline, an array library.
const ENOUGH: u32 = 8;

/// The kind for which most speaks. Of equals, the one that has more to do with users.
pub(super) fn kind(repository: &Repository<'_>, evidence: &Evidence) -> ProjectType {
    let mut weights = evidence.weights();
    if holds_more_programs(repository) {
        // Infrastructure beside an application serves it.
        weights.devops /= 2;
    }
    let candidates = [
        (weights.web, ProjectType::Web),
        (weights.frontend, ProjectType::Frontend),
        (weights.data_science, ProjectType::DataScience),
        (weights.devops, ProjectType::Devops),
    ];
    let mut most = (ENOUGH - 1, ProjectType::General);
    for candidate in candidates {
        if candidate.0 > most.0 {
            most = candidate;
        }
    }
    most.1
}

/// Whether programs outweigh definitions of infrastructure and settings.
fn holds_more_programs(repository: &Repository<'_>) -> bool {
    let is_definition = |name: &str| matches!(name, "HCL" | "YAML" | "Shell" | "Nix");
    let programs = bytes_in(repository, |purpose, name| purpose == Use::Programming && !is_definition(name));
    programs > bytes_in(repository, |_, name| is_definition(name))
}
