//! Recognizes languages by file name extensions.

use std::collections::BTreeMap;

use super::repository::Repository;

/// Maximum languages that the survey names.
const MAX_LANGUAGES: usize = 8;

/// What a language is used for. The survey names them in the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// Programs and infrastructure definitions.
    Programming,
    /// Notebooks, pages, styles, settings, data, prose.
    Markup,
}

/// The languages of a repository: programming languages first, then markup and configuration, each by bytes.
pub(super) fn languages(repository: &Repository<'_>) -> Vec<String> {
    let mut bytes: BTreeMap<(Purpose, &'static str), u64> = BTreeMap::new();
    for (extension, size) in repository.extensions() {
        if let Some(language) = language(extension) {
            let total = bytes.entry(language).or_default();
            *total = total.saturating_add(size);
        }
    }
    let mut languages: Vec<_> = bytes.into_iter().filter(|(_, size)| *size > 0).collect();
    languages.sort_by_key(|((purpose, _), size)| (*purpose, std::cmp::Reverse(*size)));
    languages.into_iter().take(MAX_LANGUAGES).map(|((_, name), _)| name.to_owned()).collect()
}

/// The bytes in files of the languages that match.
pub(super) fn bytes_in(repository: &Repository<'_>, matches: impl Fn(Purpose, &str) -> bool) -> u64 {
    let sizes = repository.extensions().filter_map(|(extension, size)| {
        let (purpose, name) = language(extension)?;
        matches(purpose, name).then_some(size)
    });
    sizes.fold(0, u64::saturating_add)
}

fn language(extension: &str) -> Option<(Purpose, &'static str)> {
    let programming = match extension {
        "py" | "pyi" | "pyw" => "Python",
        "ts" | "tsx" | "mts" | "cts" => "TypeScript",
        "js" | "jsx" | "mjs" | "cjs" => "JavaScript",
        "rs" => "Rust",
        "go" => "Go",
        "java" => "Java",
        "kt" | "kts" => "Kotlin",
        "scala" | "sbt" => "Scala",
        "groovy" | "gradle" => "Groovy",
        "clj" | "cljs" | "cljc" => "Clojure",
        "rb" | "rake" | "gemspec" => "Ruby",
        "php" => "PHP",
        "cs" => "C#",
        "fs" | "fsx" => "F#",
        "vb" => "Visual Basic",
        "c" | "h" => "C",
        "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" => "C++",
        "m" | "mm" => "Objective-C",
        "swift" => "Swift",
        "dart" => "Dart",
        "ex" | "exs" => "Elixir",
        "erl" | "hrl" => "Erlang",
        "hs" => "Haskell",
        "ml" | "mli" => "OCaml",
        "elm" => "Elm",
        "jl" => "Julia",
        "r" | "rmd" => "R",
        "lua" => "Lua",
        "pl" | "pm" => "Perl",
        "zig" => "Zig",
        "nim" => "Nim",
        "sol" => "Solidity",
        "vue" => "Vue",
        "svelte" => "Svelte",
        "astro" => "Astro",
        "sh" | "bash" | "zsh" => "Shell",
        "ps1" | "psm1" => "PowerShell",
        "sql" => "SQL",
        "tf" | "tfvars" | "hcl" => "HCL",
        "nix" => "Nix",
        "proto" => "Protocol Buffers",
        _ => "",
    };
    if !programming.is_empty() {
        return Some((Purpose::Programming, programming));
    }
    let markup = match extension {
        "ipynb" => "Jupyter Notebook",
        "html" | "htm" => "HTML",
        "css" => "CSS",
        "scss" | "sass" => "Sass",
        "less" => "Less",
        "md" | "mdx" | "markdown" => "Markdown",
        "rst" => "reStructuredText",
        "tex" => "TeX",
        "yaml" | "yml" => "YAML",
        "toml" => "TOML",
        "json" | "jsonc" | "json5" => "JSON",
        "xml" => "XML",
        _ => return None,
    };
    Some((Purpose::Markup, markup))
}
