//! Recognizes conventions by the files of a repository.

use super::evidence::Evidence;
use super::repository::{Directory, Repository};

/// Files, by their path from the root, and the convention that they show.
const FILES: &[(&[&str], &str)] = &[
    (
        &["CONTRIBUTING.md", "CONTRIBUTING.rst", "CONTRIBUTING", ".github/CONTRIBUTING.md", "docs/CONTRIBUTING.md"],
        "Rules for contributions",
    ),
    (
        &[
            ".github/pull_request_template.md",
            ".github/PULL_REQUEST_TEMPLATE.md",
            "pull_request_template.md",
            "PULL_REQUEST_TEMPLATE.md",
            "docs/pull_request_template.md",
        ],
        "Pull request template",
    ),
    (&[".gitmessage", ".gitmessage.txt"], "Commit message template"),
    (
        &[
            "commitlint.config.js",
            "commitlint.config.cjs",
            "commitlint.config.mjs",
            "commitlint.config.ts",
            ".commitlintrc",
            ".commitlintrc.json",
            ".commitlintrc.yml",
        ],
        "Commit messages checked by commitlint",
    ),
    (&["CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS"], "Code owners"),
    (&["CHANGELOG.md", "CHANGES.md", "CHANGELOG.rst", "CHANGELOG"], "Change log"),
    (&[".changeset"], "Change log by changesets"),
    (&[".pre-commit-config.yaml"], "pre-commit hooks"),
    (&[".husky"], "Git hooks by husky"),
    (&[".editorconfig"], "EditorConfig"),
    (
        &[
            ".prettierrc",
            ".prettierrc.json",
            ".prettierrc.yml",
            ".prettierrc.yaml",
            ".prettierrc.js",
            ".prettierrc.cjs",
            "prettier.config.js",
            "prettier.config.mjs",
            "prettier.config.cjs",
        ],
        "Formatted by Prettier",
    ),
    (&["biome.json", "biome.jsonc"], "Formatted and linted by Biome"),
    (
        &[
            "eslint.config.js",
            "eslint.config.mjs",
            "eslint.config.cjs",
            "eslint.config.ts",
            ".eslintrc",
            ".eslintrc.json",
            ".eslintrc.js",
            ".eslintrc.cjs",
            ".eslintrc.yml",
        ],
        "Linted by ESLint",
    ),
    (&["ruff.toml", ".ruff.toml"], "Ruff settings"),
    (&[".flake8"], "flake8 settings"),
    (&["mypy.ini", ".mypy.ini"], "mypy settings"),
    (&["rustfmt.toml", ".rustfmt.toml"], "rustfmt settings"),
    (&["clippy.toml", ".clippy.toml"], "Clippy settings"),
    (&[".golangci.yml", ".golangci.yaml", ".golangci.toml"], "golangci-lint settings"),
    (&[".rubocop.yml"], "RuboCop settings"),
    (&[".clang-format"], "Formatted by clang-format"),
    (&[".tflint.hcl"], "TFLint settings"),
    (&[".yamllint", ".yamllint.yml", ".yamllint.yaml"], "yamllint settings"),
];

/// Tables of `pyproject.toml` that configure formatters, linters and commit messages.
const PYTHON_TOOLS: &[(&str, &str)] = &[
    ("black", "Black settings (pyproject.toml)"),
    ("ruff", "Ruff settings (pyproject.toml)"),
    ("isort", "isort settings (pyproject.toml)"),
    ("mypy", "mypy settings (pyproject.toml)"),
    ("commitizen", "Commit messages by commitizen (pyproject.toml)"),
];

pub(super) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    for (names, meaning) in FILES {
        if let Some(name) = names.iter().find(|name| repository.has_in(Directory::ROOT, name)) {
            evidence.convention(format!("{meaning} ({name})"));
        }
    }
    let pyproject = repository.named("pyproject.toml").find(|manifest| manifest.directory.is_root());
    if let Some(tools) = pyproject.and_then(|manifest| manifest.toml()).and_then(|mut table| table.remove("tool")) {
        for (tool, meaning) in PYTHON_TOOLS {
            if tools.get(tool).is_some() {
                evidence.convention(*meaning);
            }
        }
    }
    if repository
        .manifests()
        .any(|manifest| manifest.name.starts_with("CONTRIBUTING") && mentions_conventional_commits(manifest.text))
    {
        evidence.convention("Conventional Commits");
    }
}

fn mentions_conventional_commits(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("conventional commits") || text.contains("conventionalcommits.org")
}
