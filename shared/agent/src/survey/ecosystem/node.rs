//! JavaScript and TypeScript: package.json.

use domain::ProjectType::{Frontend, General, Web};
use serde_json::{Map, Value};

use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::{Directory, Repository};

const KNOWN: &[Known] = &[
    Known::new("express", "Express", Web, 10),
    Known::new("@nestjs/core", "NestJS", Web, 12),
    Known::new("fastify", "Fastify", Web, 10),
    Known::new("koa", "Koa", Web, 10),
    Known::new("@hapi/hapi", "hapi", Web, 10),
    Known::new("hono", "Hono", Web, 10),
    Known::new("next", "Next.js", Frontend, 8),
    Known::new("nuxt", "Nuxt", Frontend, 8),
    Known::new("@angular/core", "Angular", Frontend, 8),
    Known::new("@sveltejs/kit", "SvelteKit", Frontend, 8),
    Known::new("astro", "Astro", Frontend, 8),
    Known::new("gatsby", "Gatsby", Frontend, 8),
    Known::new("@remix-run/react", "Remix", Frontend, 8),
    Known::new("react", "React", Frontend, 6),
    Known::new("vue", "Vue", Frontend, 6),
    Known::new("svelte", "Svelte", Frontend, 12),
    Known::new("solid-js", "Solid", Frontend, 6),
    Known::new("preact", "Preact", Frontend, 6),
    Known::new("vite", "Vite", Frontend, 4),
    Known::new("webpack", "webpack", Frontend, 2),
    Known::new("tailwindcss", "Tailwind CSS", Frontend, 2),
    Known::new("electron", "Electron", General, 0),
    Known::new("react-native", "React Native", General, 0),
    Known::new("prisma", "Prisma", General, 0),
];

const LOCKS: &[(&str, Manager)] = &[
    ("pnpm-lock.yaml", Manager::Pnpm),
    ("yarn.lock", Manager::Yarn),
    ("bun.lock", Manager::Bun),
    ("bun.lockb", Manager::Bun),
    ("package-lock.json", Manager::Npm),
    ("npm-shrinkwrap.json", Manager::Npm),
];

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    let places = repository.places(&["package.json"]);
    let worked_in = places.worked_in();
    for directory in places.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "package.json");
        // One that cannot be read still says that this is a package.
        let package = manifest.and_then(|manifest| manifest.json()).unwrap_or(Value::Null);
        evidence.packages(directory, Need::Runtime, KNOWN, keys_of(&package, "dependencies"));
        evidence.packages(directory, Need::Development, KNOWN, keys_of(&package, "devDependencies"));
        if worked_in.contains(&directory) {
            let manager = Manager::of(repository, directory, &package);
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

/// The scripts under whose names such a check is usual. Other names stay out: they are the repository's own words.
fn commands(directory: Directory<'_>, manager: Manager, package: &Value, evidence: &mut Evidence) {
    let empty = Map::new();
    let scripts = package.get("scripts").and_then(Value::as_object).unwrap_or(&empty);
    let real = |name: &&&str| {
        // What `npm init` writes is no test.
        scripts.get(**name).and_then(Value::as_str).is_some_and(|script| !script.contains("no test specified"))
    };
    for name in ["build"].iter().filter(real) {
        evidence.build(directory, &manager.run(name));
    }
    for name in ["test", "test:unit", "test:integration", "test:e2e"].iter().filter(real) {
        evidence.test(directory, &manager.run(name));
    }
    let checks =
        ["lint", "typecheck", "type-check", "check-types", "check:types", "check", "format:check", "lint:check"];
    for name in checks.iter().filter(real) {
        evidence.lint(directory, &manager.run(name));
    }
}

fn is_locked(repository: &Repository<'_>, directory: Directory<'_>) -> bool {
    LOCKS.iter().any(|(lock, _)| repository.has_in(directory, lock))
}

fn keys_of<'a>(package: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    package.get(field).and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
}

/// Who installs packages and runs scripts.
#[derive(Debug, Clone, Copy)]
enum Manager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl Manager {
    /// By lock file, here or at the root; else by what the package names; else npm.
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
