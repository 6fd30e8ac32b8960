//! Ruby: Gemfile.

use domain::ProjectType::Web;

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::Repository;

const KNOWN: &[KnownPackage] = &[
    KnownPackage::new("rails", "Rails", Web, 10),
    KnownPackage::new("sinatra", "Sinatra", Web, 10),
    KnownPackage::new("hanami", "Hanami", Web, 10),
    KnownPackage::new("grape", "Grape", Web, 8),
];

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let projects = repository.project_directories(&["Gemfile"]);
    let command_directories = projects.for_commands();
    for directory in projects.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "Gemfile");
        let gems: Vec<&str> = manifest.into_iter().flat_map(|manifest| gems(manifest.text)).collect();
        evidence.packages(directory, DependencyKind::Runtime, KNOWN, gems.iter().copied());
        if !command_directories.contains(&directory) {
            continue;
        }
        evidence.install(directory, "bundle install");
        if gems.iter().any(|gem| matches!(*gem, "rspec" | "rspec-rails")) {
            evidence.test(directory, "bundle exec rspec");
        } else if gems.contains(&"rails") {
            evidence.test(directory, "bin/rails test");
        } else if repository.has_in(directory, "Rakefile") {
            evidence.test(directory, "bundle exec rake test");
        }
        if gems.iter().any(|gem| gem.starts_with("rubocop")) || repository.has_in(directory, ".rubocop.yml") {
            evidence.lint(directory, "bundle exec rubocop");
        }
    }
}

/// The names in the `gem` lines of a Gemfile.
fn gems(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("gem")?.trim_start_matches([' ', '(']);
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest[1..].split_once(quote).map(|(name, _)| name)
    })
}
