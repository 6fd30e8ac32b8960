//! Rust: Cargo.toml.

use domain::ProjectType::{DataScience, Devops, Frontend, General, Web};
use toml::{Table, Value};

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::Repository;

const KNOWN: &[KnownPackage] = &[
    KnownPackage::new("axum", "Axum", Web, 10),
    KnownPackage::new("actix-web", "Actix", Web, 10),
    KnownPackage::new("rocket", "Rocket", Web, 10),
    KnownPackage::new("warp", "warp", Web, 10),
    KnownPackage::new("poem", "Poem", Web, 10),
    KnownPackage::new("tonic", "Tonic", Web, 6),
    KnownPackage::new("leptos", "Leptos", Frontend, 6),
    KnownPackage::new("yew", "Yew", Frontend, 6),
    KnownPackage::new("dioxus", "Dioxus", Frontend, 6),
    KnownPackage::new("polars", "Polars", DataScience, 4),
    KnownPackage::new("burn", "Burn", DataScience, 4),
    KnownPackage::new("candle-core", "Candle", DataScience, 4),
    KnownPackage::new("kube", "kube", Devops, 5),
    KnownPackage::new("tokio", "Tokio", General, 0),
    KnownPackage::new("tauri", "Tauri", General, 0),
    KnownPackage::new("bevy", "Bevy", General, 0),
];

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let projects = repository.project_directories(&["Cargo.toml"]);
    let command_directories = projects.for_commands();
    for directory in projects.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "Cargo.toml");
        let cargo = manifest.and_then(|manifest| manifest.toml()).unwrap_or_default();
        let shared = cargo.get("workspace").and_then(|workspace| workspace.get("dependencies"));
        for dependencies in [cargo.get("dependencies"), shared] {
            evidence.packages(directory, DependencyKind::Runtime, KNOWN, keys_of(dependencies));
        }
        if command_directories.contains(&directory) {
            evidence.install(directory, "cargo fetch");
            evidence.build(directory, "cargo build");
            evidence.test(directory, "cargo test");
            evidence.lint(directory, "cargo clippy --all-targets");
            evidence.lint(directory, "cargo fmt --check");
        }
        let lints = cargo.get("workspace").and_then(|workspace| workspace.get("lints")).or(cargo.get("lints"));
        if directory.is_root() && lints.is_some() {
            evidence.convention("Lint levels in Cargo.toml");
        }
    }
}

fn keys_of(table: Option<&Value>) -> impl Iterator<Item = &str> {
    table.and_then(Value::as_table).into_iter().flat_map(Table::keys).map(String::as_str)
}
