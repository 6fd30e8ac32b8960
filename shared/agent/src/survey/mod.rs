//! What kind of project a repository holds and how it is worked on, told from the toolbox's facts alone.
//!
//! Nothing here does I/O, and nothing of a repository is trusted: manifests that cannot be parsed count as being there and
//! no more, commands are put together from this module's own words, and only a path of plain characters enters one.

mod check;
mod convention;
mod ecosystem;
mod evidence;
mod kind;
mod language;
mod repository;

use domain::{ProjectType, Survey};
use toolbox::Surveyed;

pub use check::is_check;
use ecosystem::{dotnet, go, infrastructure, jvm, make, node, php, pipeline, python, ruby, rust};
use evidence::Evidence;
use repository::Repository;

/// Tells what the facts mean.
pub fn classify(facts: &Surveyed) -> Survey {
    let repository = Repository::new(facts);
    let mut evidence = Evidence::default();
    // Those that wrap the others come last, so that the direct command of an ecosystem is named first.
    for look in [
        python::look,
        node::look,
        rust::look,
        go::look,
        jvm::look,
        ruby::look,
        php::look,
        dotnet::look,
        infrastructure::look,
        make::look,
        pipeline::look,
        convention::look,
    ] {
        look(&repository, &mut evidence);
    }
    let project_type = if facts.empty { ProjectType::General } else { kind::kind(&repository, &evidence) };
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
