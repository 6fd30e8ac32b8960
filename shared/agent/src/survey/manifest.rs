//! Files that say what a project depends on.

/// Names that stand for themselves.
const NAMES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "Gemfile",
    "Gemfile.lock",
    "Package.resolved",
    "Package.swift",
    "Pipfile",
    "Pipfile.lock",
    "build.gradle",
    "build.gradle.kts",
    "build.sbt",
    "bun.lock",
    "bun.lockb",
    "composer.json",
    "composer.lock",
    "deno.json",
    "deno.jsonc",
    "deno.lock",
    "environment.yml",
    "flake.lock",
    "flake.nix",
    "go.mod",
    "go.sum",
    "mix.exs",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.json",
    "pdm.lock",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "poetry.lock",
    "pom.xml",
    "pubspec.lock",
    "pubspec.yaml",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "settings.gradle",
    "settings.gradle.kts",
    "stack.yaml",
    "tox.ini",
    "uv.lock",
    "yarn.lock",
];

const ENDINGS: &[&str] = &[".cabal", ".csproj", ".fsproj", ".gemspec", ".sln", ".versions.toml"];

/// Whether a file says what the project depends on, so that a check may end differently with what is installed for another state
/// of it.
pub(crate) fn is_dependency_manifest(path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    // `requirements.txt`, `requirements-dev.txt`, `requirements/base.txt`.
    let is_requirements = name.ends_with(".txt")
        && (name.contains("requirements") || directory.rsplit('/').next().is_some_and(|last| last == "requirements"));
    NAMES.contains(&name) || is_requirements || ENDINGS.iter().any(|ending| name.ends_with(ending))
}
