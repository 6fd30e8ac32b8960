//! PHP: composer.json.

use domain::ProjectType::Web;
use serde_json::{Map, Value};

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::Repository;

const KNOWN: &[KnownPackage] = &[
    KnownPackage::new("laravel/framework", "Laravel", Web, 10),
    KnownPackage::new("symfony/framework-bundle", "Symfony", Web, 10),
    KnownPackage::new("slim/slim", "Slim", Web, 10),
    KnownPackage::new("drupal/core-recommended", "Drupal", Web, 10),
];

/// Development package, the command that runs it, and whether that is a test (or else a linter).
const TOOLS: &[(&str, &str, bool)] = &[
    ("phpunit/phpunit", "vendor/bin/phpunit", true),
    ("pestphp/pest", "vendor/bin/pest", true),
    ("phpstan/phpstan", "vendor/bin/phpstan analyse", false),
    ("squizlabs/php_codesniffer", "vendor/bin/phpcs", false),
    ("laravel/pint", "vendor/bin/pint --test", false),
];

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let projects = repository.project_directories(&["composer.json"]);
    let command_directories = projects.for_commands();
    for directory in projects.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "composer.json");
        let composer = manifest.and_then(|manifest| manifest.json()).unwrap_or(Value::Null);
        evidence.packages(directory, DependencyKind::Runtime, KNOWN, keys_of(&composer, "require"));
        if !command_directories.contains(&directory) {
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
