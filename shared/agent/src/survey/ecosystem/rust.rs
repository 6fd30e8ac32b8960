//! Rust: Cargo.toml.

use domain::ProjectType::{DataScience, Devops, Frontend, General, Web};
use toml::{Table, Value};

use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::Repository;

const KNOWN: &[Known] = &[
    Known::new("axum", "Axum", Web, 10),
    Known::new("actix-web", "Actix", Web, 10),
    Known::new("rocket", "Rocket", Web, 10),
    Known::new("warp", "warp", Web, 10),
    Known::new("poem", "Poem", Web, 10),
    Known::new("tonic", "Tonic", Web, 6),
    Known::new("leptos", "Leptos", Frontend, 6),
    Known::new("yew", "Yew", Frontend, 6),
    Known::new("dioxus", "Dioxus", Frontend, 6),
    Known::new("polars", "Polars", DataScience, 4),
    Known::new("burn", "Burn", DataScience, 4),
    Known::new("candle-core", "Candle", DataScience, 4),
    Known::new("kube", "kube", Devops, 5),
    Known::new("tokio", "Tokio", General, 0),
    Known::new("tauri", "Tauri", General, 0),
    Known::new("bevy", "Bevy", General, 0),
];

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    let places = repository.places(&["Cargo.toml"]);
    let worked_in = places.worked_in();
    for directory in places.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "Cargo.toml");
        let cargo = manifest.and_then(|manifest| manifest.toml()).unwrap_or_default();
        let shared = cargo.get("workspace").and_then(|workspace| workspace.get("dependencies"));
        for dependencies in [cargo.get("dependencies"), shared] {
            evidence.packages(directory, Need::Runtime, KNOWN, keys_of(dependencies));
        }
        if worked_in.contains(&directory) {
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
