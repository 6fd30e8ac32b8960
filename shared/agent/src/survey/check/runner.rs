//! Recognizes well-known test runners, linters and type checkers.

use super::wrappers::base_name;

/// Programs that check with any arguments.
const ALWAYS: &[&str] = &[
    "pytest",
    "py.test",
    "tox",
    "nox",
    "unittest",
    "doctest",
    "nosetests",
    "trial",
    "stestr",
    "behave",
    "mypy",
    "pyright",
    "basedpyright",
    "flake8",
    "pylint",
    "pyflakes",
    "jest",
    "vitest",
    "mocha",
    "ava",
    "jasmine",
    "karma",
    "eslint",
    "stylelint",
    "tsc",
    "vue-tsc",
    "svelte-check",
    "rspec",
    "rubocop",
    "phpunit",
    "pest",
    "phpstan",
    "psalm",
    "ctest",
    "bats",
    "shellcheck",
    "hadolint",
    "yamllint",
    "actionlint",
    "ansible-lint",
    "tflint",
    "kubeconform",
    "kubeval",
    "checkov",
    "golangci-lint",
    "staticcheck",
    "ktlint",
    "detekt",
    "swiftlint",
];

/// Programs that check with one of these subcommands as the first argument that is not an option.
const WITH_WORD: &[(&str, &[&str])] = &[
    ("cargo", &["test", "t", "nextest", "clippy", "check", "c", "miri"]),
    ("go", &["test", "vet"]),
    ("ruff", &["check"]),
    ("biome", &["check", "lint", "ci"]),
    ("deno", &["test", "lint", "check"]),
    ("playwright", &["test"]),
    ("cypress", &["run"]),
    ("ng", &["test", "lint"]),
    ("nx", &["test", "lint"]),
    ("manage.py", &["test", "check"]),
    ("django-admin", &["test", "check"]),
    ("setup.py", &["test"]),
    ("pre-commit", &["run"]),
    ("swift", &["test"]),
    ("zig", &["test"]),
    ("mix", &["test"]),
    ("sbt", &["test"]),
    ("lein", &["test"]),
    ("dotnet", &["test"]),
    ("bazel", &["test"]),
    ("rails", &["test", "test:all", "spec"]),
    ("rake", &["test", "spec"]),
    ("terraform", &["validate", "test"]),
    ("tofu", &["validate", "test"]),
    ("helm", &["lint", "unittest"]),
];

/// Programs that check only with one of these options: program, required subcommand (or none), options.
const WITH_OPTION: &[(&str, &str, &[&str])] = &[
    ("cargo", "fmt", &["--check"]),
    ("ruff", "format", &["--check", "--diff"]),
    ("black", "", &["--check", "--diff"]),
    ("isort", "", &["--check", "--check-only", "-c"]),
    ("prettier", "", &["--check", "-c", "--list-different", "-l"]),
    ("terraform", "fmt", &["-check"]),
    ("tofu", "fmt", &["-check"]),
    ("dotnet", "format", &["--verify-no-changes"]),
    ("node", "", &["--test"]),
    ("ansible-playbook", "", &["--syntax-check"]),
];

/// Build tools, whose arguments are targets.
const BUILDERS: &[&str] =
    &["make", "gmake", "just", "task", "mvn", "mvnw", "gradle", "gradlew", "ninja", "mage", "invoke"];

/// Programs that run a package's scripts.
const SCRIPT_RUNNERS: &[&str] = &["npm", "pnpm", "yarn", "bun", "composer", "turbo"];

/// Words in the name of a target or script that checks.
const CHECKING: &[&str] = &["test", "tests", "check", "lint", "typecheck", "spec", "unit", "e2e", "validate", "verify"];

/// Options of build tools and script runners that take a value as the next word.
const WITH_VALUE: &[&str] =
    &["-C", "-f", "-j", "--prefix", "--workspace", "-w", "--filter", "-F", "--dir", "--cwd", "--directory", "--file"];

/// Whether the command only asks for a version, a help text, a list of tests or a dry run.
pub(super) fn is_query(words: &[String]) -> bool {
    let queries =
        ["--version", "--help", "-h", "-V", "--collect-only", "--co", "--no-run", "--init", "--listTests", "--dry-run"];
    words.iter().skip(1).take_while(|word| *word != "--").any(|word| queries.contains(&word.as_str()))
}

/// Whether a command without wrappers runs a check.
pub(super) fn is_runner(words: &[String]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let name = base_name(program);
    if ALWAYS.contains(&name) || is_test_script(program) {
        return true;
    }
    let first = positional(arguments).next();
    if WITH_WORD.iter().any(|(known, expected)| name == *known && first.is_some_and(|word| expected.contains(&word))) {
        return true;
    }
    let has = |options: &[&str]| arguments.iter().any(|word| options.contains(&word.as_str()));
    if WITH_OPTION
        .iter()
        .any(|(known, word, options)| name == *known && (word.is_empty() || first == Some(word)) && has(options))
    {
        return true;
    }
    if BUILDERS.contains(&name) {
        return positional(arguments).any(is_checking);
    }
    if SCRIPT_RUNNERS.contains(&name) {
        return runs_checking_script(arguments);
    }
    // A script as the argument of an interpreter, such as `python manage.py test` or `bash tests/run.sh`.
    is_interpreter(name)
        && arguments.iter().position(|word| !word.starts_with('-')).is_some_and(|script| {
            is_test_file(&arguments[script]) || (arguments[script].contains('.') && is_runner(&arguments[script..]))
        })
}

fn runs_checking_script(arguments: &[String]) -> bool {
    let mut words = positional(arguments);
    match words.next() {
        Some("run" | "run-script") => words.next().is_some_and(is_checking),
        Some("workspace") => words.nth(1).is_some_and(|word| word != "add" && is_checking(word)),
        Some("t" | "tst") => true,
        Some(word) => is_checking(word),
        None => false,
    }
}

/// The arguments that are neither options nor values of options.
fn positional(arguments: &[String]) -> impl Iterator<Item = &str> {
    let mut is_value = false;
    arguments.iter().map(String::as_str).filter(move |word| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        is_value = WITH_VALUE.contains(word);
        // `cargo +nightly` names a toolchain.
        !word.starts_with('-') && !word.starts_with('+')
    })
}

/// Whether the name of a target or script starts or ends with a word of [`CHECKING`]: `test:unit`, `fmt-check`, `:app:test`.
fn is_checking(target: &str) -> bool {
    let mut parts = target.split([':', '-', '_', '.']).filter(|part| !part.is_empty());
    let first = parts.next();
    let last = parts.next_back().or(first);
    [first, last].into_iter().flatten().any(|part| CHECKING.contains(&part)) || target == "type-check"
}

/// Whether a program that is called by its path is the project's own test script, such as `./run_tests.sh` or `tests/run`.
fn is_test_script(program: &str) -> bool {
    let Some((directory, name)) = program.rsplit_once('/') else { return false };
    let stem = name.strip_suffix(".sh").or(name.strip_suffix(".py")).unwrap_or(name);
    let is_own = matches!(stem, "test" | "tests" | "run_tests" | "run-tests" | "runtests" | "check" | "lint");
    // `/usr/bin/test` is the shell's condition, not a script of the project.
    (is_own && !directory.starts_with('/')) || (stem == "run" && base_name(directory) == "tests")
}

fn is_interpreter(name: &str) -> bool {
    name.starts_with("python") || matches!(name, "node" | "bash" | "sh" | "ruby" | "php" | "deno" | "tsx" | "ts-node")
}

/// Whether a script that an interpreter runs is a test.
fn is_test_file(path: &str) -> bool {
    let name = base_name(path);
    let stem = name.split('.').next().unwrap_or(name);
    let is_test = stem.starts_with("test_")
        || stem.ends_with("_test")
        || name.contains(".test.")
        || name.contains(".spec.")
        || matches!(stem, "run_tests" | "run-tests" | "runtests" | "test" | "tests");
    is_test || is_test_script(path)
}
