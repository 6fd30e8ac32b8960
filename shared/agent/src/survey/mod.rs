//! Derives from the toolbox's facts which kind of project a repository holds and how it is built and tested.
//!
//! Nothing here does I/O, and nothing in a repository is trusted: a manifest that cannot be parsed only counts as present,
//! commands are built from constants of this module, and the only part of a repository in them is a path of plain characters.

mod convention;
mod devcontainer;
mod ecosystem;
mod evidence;
mod kind;
mod language;
mod manifest;
mod repository;

use std::collections::BTreeSet;

use domain::{ProjectType, Survey};
use toolbox::Surveyed;

pub(crate) use devcontainer::post_create_command;
use ecosystem::{dotnet, go, infrastructure, jvm, make, node, php, pipeline, python, ruby, rust};
use evidence::Evidence;
pub(crate) use manifest::is_dependency_manifest;
use repository::Repository;

/// Classifies a repository. Never fails: what is not recognized is left out.
pub fn classify(facts: &Surveyed) -> Survey {
    let repository = Repository::new(facts);
    let mut evidence = Evidence::default();
    // Build tools that wrap others, such as make, come last: an ecosystem's own command is named first.
    for detect in [
        python::detect,
        node::detect,
        rust::detect,
        go::detect,
        jvm::detect,
        ruby::detect,
        php::detect,
        dotnet::detect,
        infrastructure::detect,
        make::detect,
        pipeline::detect,
        convention::detect,
    ] {
        detect(&repository, &mut evidence);
    }
    let project_type = if facts.empty { ProjectType::General } else { kind::project_type(&repository, &evidence) };
    Survey {
        project_type,
        languages: language::languages(&repository),
        frameworks: evidence.frameworks.into_iter().map(str::to_owned).collect(),
        install_commands: evidence.install,
        build_commands: evidence.build,
        test_commands: evidence.test,
        lint_commands: evidence.lint,
        conventions: evidence.conventions,
        files: facts.files,
        empty: facts.empty,
    }
}

/// The programs that a repository's commands begin with, each once.
pub(crate) fn programs(survey: &Survey) -> BTreeSet<String> {
    let commands = [&survey.install_commands, &survey.build_commands, &survey.test_commands, &survey.lint_commands];
    // One for a directory below the root begins by going there.
    let program = |command: &String| command.rsplit("&& ").next()?.split_whitespace().next().map(str::to_owned);
    commands.into_iter().flatten().filter_map(program).collect()
}
