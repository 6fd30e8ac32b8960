//! The import table of the house.

use std::collections::{BTreeMap, BTreeSet};

use super::{repository_files, top};

/// Which of our crates each of our crates may use.
const TABLE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("toolbox", &[]),
    ("asl", &[]),
    ("sandbox", &[]),
    ("egress", &[]),
    ("sandbox-protocol", &["toolbox"]),
    ("supervisor", &["sandbox", "sandbox-protocol", "toolbox"]),
    ("agent", &["domain", "sandbox-protocol", "toolbox"]),
    ("telemetry", &["domain"]),
    ("claude", &["domain"]),
    ("web", &["domain"]),
    ("stand-ins", &["supervisor"]),
    (
        "local",
        &[
            "agent",
            "asl",
            "claude",
            "domain",
            "egress",
            "sandbox",
            "sandbox-protocol",
            "stand-ins",
            "supervisor",
            "telemetry",
            "toolbox",
            "web",
        ],
    ),
];

/// Heavy crates, and the only one of ours that may use each.
const LEAVES: &[(&str, &[&str])] = &[
    ("rusqlite", &["local"]),
    ("reqwest", &["claude", "local", "telemetry", "tests"]),
    ("axum", &["local", "stand-ins", "tests", "web"]),
    ("utoipa", &["web"]),
    ("ammonia", &["local"]),
    ("clap", &["local"]),
    ("landlock", &["sandbox"]),
    ("seccompiler", &["sandbox"]),
    ("nix", &["sandbox", "supervisor"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("grep-searcher", &["toolbox"]),
];

/// What `domain` must not know of.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "reqwest", "http", "hyper", "axum", "rusqlite", "opentelemetry"];

struct Manifest {
    name: String,
    dependencies: BTreeSet<String>,
    dev_dependencies: BTreeSet<String>,
}

fn manifests() -> Vec<Manifest> {
    let names = |table: Option<&toml::Value>| -> BTreeSet<String> {
        table.and_then(toml::Value::as_table).into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    repository_files()
        .into_iter()
        .filter(|file| file.ends_with("/Cargo.toml") && !file.contains("fixtures"))
        .map(|file| {
            let text = std::fs::read_to_string(top().join(&file)).unwrap();
            let manifest: toml::Value = toml::from_str(&text).unwrap();
            Manifest {
                name: manifest["package"]["name"].as_str().unwrap().to_owned(),
                dependencies: names(manifest.get("dependencies")),
                dev_dependencies: names(manifest.get("dev-dependencies")),
            }
        })
        .collect()
}

#[test]
fn every_crate_uses_only_the_crates_that_the_table_allows() {
    let table: BTreeMap<_, _> = TABLE.iter().copied().collect();
    let ours: BTreeSet<&str> = table.keys().copied().collect();
    for manifest in manifests().iter().filter(|manifest| manifest.name != "tests") {
        let allowed = table.get(manifest.name.as_str());
        let allowed = allowed.unwrap_or_else(|| panic!("{} is not in the import table", manifest.name));
        for used in manifest.dependencies.union(&manifest.dev_dependencies) {
            let forbidden = ours.contains(used.as_str()) && !allowed.contains(&used.as_str());
            assert!(!forbidden, "{} must not use {used}", manifest.name);
        }
    }
}

#[test]
fn heavy_crates_live_in_one_leaf_each() {
    for manifest in manifests() {
        for (heavy, leaves) in LEAVES {
            let used = manifest.dependencies.contains(*heavy);
            assert!(!used || leaves.contains(&manifest.name.as_str()), "{} must not use {heavy}", manifest.name);
        }
    }
}

#[test]
fn the_domain_knows_no_runtime_and_no_protocol() {
    let manifests = manifests();
    let domain = manifests.iter().find(|manifest| manifest.name == "domain").unwrap();
    for forbidden in NOT_IN_DOMAIN {
        assert!(!domain.dependencies.contains(*forbidden), "domain must not use {forbidden}");
    }
}

#[test]
fn every_package_is_named_after_its_folder() {
    for file in repository_files().iter().filter(|file| file.ends_with("/Cargo.toml") && !file.contains("fixtures")) {
        let text = std::fs::read_to_string(top().join(file)).unwrap();
        let manifest: toml::Value = toml::from_str(&text).unwrap();
        let folder = file.rsplit('/').nth(1).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some(folder), "{file}");
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{file} does not take the workspace's lints");
    }
}
