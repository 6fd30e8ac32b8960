//! JavaScript and TypeScript: package.json.

use domain::ProjectType::{Frontend, General, Web};
use serde_json::{Map, Value};

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::{Directory, Repository};

const KNOWN: &[KnownPackage] = &[
    KnownPackage::new("express", "Express", Web, 10),
    KnownPackage::new("@nestjs/core", "NestJS", Web, 12),
    KnownPackage::new("fastify", "Fastify", Web, 10),
    KnownPackage::new("koa", "Koa", Web, 10),
    KnownPackage::new("@hapi/hapi", "hapi", Web, 10),
    KnownPackage::new("hono", "Hono", Web, 10),
    KnownPackage::new("next", "Next.js", Frontend, 8),
    KnownPackage::new("nuxt", "Nuxt", Frontend, 8),
    KnownPackage::new("@angular/core", "Angular", Frontend, 8),
    KnownPackage::new("@sveltejs/kit", "SvelteKit", Frontend, 8),
    KnownPackage::new("astro", "Astro", Frontend, 8),
    KnownPackage::new("gatsby", "Gatsby", Frontend, 8),
    KnownPackage::new("@remix-run/react", "Remix", Frontend, 8),
    KnownPackage::new("react", "React", Frontend, 6),
    KnownPackage::new("vue", "Vue", Frontend, 6),
    KnownPackage::new("svelte", "Svelte", Frontend, 12),
    KnownPackage::new("solid-js", "Solid", Frontend, 6),
    KnownPackage::new("preact", "Preact", Frontend, 6),
    KnownPackage::new("vite", "Vite", Frontend, 4),
    KnownPackage::new("webpack", "webpack", Frontend, 2),
    KnownPackage::new("tailwindcss", "Tailwind CSS", Frontend, 2),
    KnownPackage::new("electron", "Electron", General, 0),
    KnownPackage::new("react-native", "React Native", General, 0),
    KnownPackage::new("prisma", "Prisma", General, 0),
];

const LOCKS: &[(&str, PackageManager)] = &[
    ("pnpm-lock.yaml", PackageManager::Pnpm),
    ("yarn.lock", PackageManager::Yarn),
    ("bun.lock", PackageManager::Bun),
    ("bun.lockb", PackageManager::Bun),
    ("package-lock.json", PackageManager::Npm),
    ("npm-shrinkwrap.json", PackageManager::Npm),
];

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let projects = repository.project_directories(&["package.json"]);
    let command_directories = projects.for_commands();
    for directory in projects.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "package.json");
        // A package.json that cannot be parsed still marks a package.
        let package = manifest.and_then(|manifest| manifest.json()).unwrap_or(Value::Null);
        evidence.packages(directory, DependencyKind::Runtime, KNOWN, keys_of(&package, "dependencies"));
        evidence.packages(directory, DependencyKind::Development, KNOWN, keys_of(&package, "devDependencies"));
        if command_directories.contains(&directory) {
            let manager = PackageManager::of(repository, directory, &package);
            evidence.install(directory, manager.install(is_locked(repository, directory)));
            commands(directory, manager, &package, evidence);
        }
    }
    let strict = |text: &str| {
        text.lines().any(|line| line.split_whitespace().collect::<String>().starts_with("\"strict\":true"))
    };
    if repository.named("tsconfig.json").any(|manifest| manifest.directory.is_root() && strict(manifest.text)) {
        evidence.convention("TypeScript in strict mode (tsconfig.json)");
    }
}

/// Adds the scripts with common names. Other names are left out: they are text of the repository.
fn commands(directory: Directory<'_>, manager: PackageManager, package: &Value, evidence: &mut Evidence) {
    let empty = Map::new();
    let scripts = package.get("scripts").and_then(Value::as_object).unwrap_or(&empty);
    let is_defined = |name: &&&str| {
        // The script that `npm init` writes for `test` only prints that there is none.
        scripts.get(**name).and_then(Value::as_str).is_some_and(|script| !script.contains("no test specified"))
    };
    for name in ["build"].iter().filter(is_defined) {
        evidence.build(directory, &manager.run(name));
    }
    for name in ["test", "test:unit", "test:integration", "test:e2e"].iter().filter(is_defined) {
        evidence.test(directory, &manager.run(name));
    }
    let checks =
        ["lint", "typecheck", "type-check", "check-types", "check:types", "check", "format:check", "lint:check"];
    for name in checks.iter().filter(is_defined) {
        evidence.lint(directory, &manager.run(name));
    }
}

fn is_locked(repository: &Repository<'_>, directory: Directory<'_>) -> bool {
    LOCKS.iter().any(|(lock, _)| repository.has_in(directory, lock))
}

fn keys_of<'a>(package: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    package.get(field).and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
}

/// The program that installs packages and runs scripts.
#[derive(Debug, Clone, Copy)]
enum PackageManager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl PackageManager {
    /// Decided by the lock file, here or at the root, then by the field `packageManager`. The default is npm.
    fn of(repository: &Repository<'_>, directory: Directory<'_>, package: &Value) -> Self {
        let locked = [directory, Directory::ROOT].into_iter().find_map(|directory| {
            LOCKS.iter().find(|(lock, _)| repository.has_in(directory, lock)).map(|(_, manager)| *manager)
        });
        let named = package.get("packageManager").and_then(Value::as_str).and_then(|named| named.split('@').next());
        locked.unwrap_or(match named {
            Some("pnpm") => Self::Pnpm,
            Some("yarn") => Self::Yarn,
            Some("bun") => Self::Bun,
            Some(_) | None => Self::Npm,
        })
    }

    fn install(self, is_locked: bool) -> &'static str {
        match self {
            // `npm ci` refuses to work without a lock file.
            Self::Npm if is_locked => "npm ci",
            Self::Npm => "npm install",
            Self::Pnpm => "pnpm install",
            Self::Yarn => "yarn install",
            Self::Bun => "bun install",
        }
    }

    fn run(self, script: &str) -> String {
        match self {
            Self::Npm if script == "test" => "npm test".to_owned(),
            Self::Npm => format!("npm run {script}"),
            Self::Pnpm => format!("pnpm {script}"),
            Self::Yarn => format!("yarn {script}"),
            // `bun test` is Bun's own runner and not the script.
            Self::Bun => format!("bun run {script}"),
        }
    }
}
