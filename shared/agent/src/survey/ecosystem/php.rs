//! PHP: composer.json.

use domain::ProjectType::Web;
use serde_json::{Map, Value};

use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::Repository;

const KNOWN: &[Known] = &[
    Known::new("laravel/framework", "Laravel", Web, 10),
    Known::new("symfony/framework-bundle", "Symfony", Web, 10),
    Known::new("slim/slim", "Slim", Web, 10),
    Known::new("drupal/core-recommended", "Drupal", Web, 10),
];

/// Development package, how it is run, and whether that tests or lints.
const TOOLS: &[(&str, &str, bool)] = &[
    ("phpunit/phpunit", "vendor/bin/phpunit", true),
    ("pestphp/pest", "vendor/bin/pest", true),
    ("phpstan/phpstan", "vendor/bin/phpstan analyse", false),
    ("squizlabs/php_codesniffer", "vendor/bin/phpcs", false),
    ("laravel/pint", "vendor/bin/pint --test", false),
];

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    let places = repository.places(&["composer.json"]);
    let worked_in = places.worked_in();
    for directory in places.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "composer.json");
        let composer = manifest.and_then(|manifest| manifest.json()).unwrap_or(Value::Null);
        evidence.packages(directory, Need::Runtime, KNOWN, keys_of(&composer, "require"));
        if !worked_in.contains(&directory) {
            continue;
        }
        evidence.install(directory, "composer install");
        if composer.get("scripts").and_then(|scripts| scripts.get("test")).is_some() {
            evidence.test(directory, "composer test");
        }
        for (package, command, tests) in TOOLS {
            if keys_of(&composer, "require-dev").any(|key| key == *package) {
                if *tests {
                    evidence.test(directory, command);
                } else {
                    evidence.lint(directory, command);
                }
            }
        }
    }
}

fn keys_of<'a>(composer: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    composer.get(field).and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
}
