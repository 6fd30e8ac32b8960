//! Ruby: Gemfile.

use domain::ProjectType::Web;

use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::Repository;

const KNOWN: &[Known] = &[
    Known::new("rails", "Rails", Web, 10),
    Known::new("sinatra", "Sinatra", Web, 10),
    Known::new("hanami", "Hanami", Web, 10),
    Known::new("grape", "Grape", Web, 8),
];

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    let places = repository.places(&["Gemfile"]);
    let worked_in = places.worked_in();
    for directory in places.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "Gemfile");
        let gems: Vec<&str> = manifest.into_iter().flat_map(|manifest| gems(manifest.text)).collect();
        evidence.packages(directory, Need::Runtime, KNOWN, gems.iter().copied());
        if !worked_in.contains(&directory) {
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

/// The names after `gem`.
fn gems(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("gem")?.trim_start_matches([' ', '(']);
        let quote = rest.chars().next().filter(|sign| matches!(sign, '"' | '\''))?;
        rest[1..].split_once(quote).map(|(name, _)| name)
    })
}
