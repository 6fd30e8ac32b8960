//! The package managers, and how each is run once to learn which hosts it asks for.

/// A package manager. In its texts `{directory}` stands for an empty directory, in which it runs.
pub(super) struct PackageTool {
    pub(super) name: &'static str,
    /// The first that is present is run.
    pub(super) programs: &'static [&'static str],
    /// Fetches one small package, past every cache.
    pub(super) fetch: &'static [&'static str],
    /// Files that it finds in its directory: name and content.
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// The user's settings that are copied to where it finds them: below which directory (a variable, or a path below the home), and
    /// the name there.
    pub(super) copied: Option<Copied>,
    /// How its settings that matter in a sandbox are asked for.
    pub(super) settings: &'static [Setting],
}

pub(super) struct Copied {
    pub(super) variable: &'static str,
    pub(super) below_home: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) to: &'static str,
}

/// One setting of a package manager.
pub(super) struct Setting {
    /// Prints it.
    pub(super) arguments: &'static [&'static str],
    pub(super) form: Form,
    /// The variable under which the program in the sandbox reads it.
    pub(super) variable: &'static str,
}

/// How a setting is printed.
pub(super) enum Form {
    /// Alone on its line.
    Value,
    /// On a line `….name='value'`.
    Named(&'static str),
}

impl PackageTool {
    const fn new(name: &'static str, programs: &'static [&'static str], fetch: &'static [&'static str]) -> Self {
        Self { name, programs, fetch, files: &[], environment: &[], copied: None, settings: &[] }
    }
}

pub(super) const PACKAGE_TOOLS: &[PackageTool] = &[
    PackageTool {
        copied: Some(Copied {
            variable: "CARGO_HOME",
            below_home: ".cargo",
            names: &["config.toml", "config"],
            to: "cargo",
        }),
        files: &[
            (
                "Cargo.toml",
                "[package]\nname = \"probe\"\nedition = \"2021\"\n\n[lib]\npath = \"lib.rs\"\n\n[dependencies]\ncfg-if = \"1\"\n",
            ),
            ("lib.rs", ""),
        ],
        environment: &[("CARGO_HOME", "{directory}/cargo")],
        ..PackageTool::new("cargo", &["cargo"], &["fetch"])
    },
    PackageTool {
        environment: &[("PIP_FIND_LINKS", ""), ("PIP_NO_CACHE_DIR", "1"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1")],
        settings: &[
            Setting { arguments: &["config", "list"], form: Form::Named("index-url"), variable: "PIP_INDEX_URL" },
            Setting {
                arguments: &["config", "list"],
                form: Form::Named("extra-index-url"),
                variable: "PIP_EXTRA_INDEX_URL",
            },
        ],
        ..PackageTool::new(
            "pip",
            &["pip3", "pip"],
            &["download", "--quiet", "--no-deps", "--dest", "{directory}", "six"],
        )
    },
    PackageTool::new(
        "uv",
        &["uv"],
        &["pip", "install", "--quiet", "--no-cache", "--no-deps", "--target", "{directory}/target", "six"],
    ),
    PackageTool {
        environment: &[("npm_config_cache", "{directory}/cache"), ("npm_config_update_notifier", "false")],
        settings: &[Setting {
            arguments: &["config", "get", "registry"],
            form: Form::Value,
            variable: "npm_config_registry",
        }],
        ..PackageTool::new("npm", &["npm"], &["pack", "--silent", "is-number"])
    },
    PackageTool {
        files: &[("package.json", "{\"name\": \"probe\", \"version\": \"0.0.0\"}\n")],
        environment: &[("npm_config_store_dir", "{directory}/store"), ("npm_config_cache_dir", "{directory}/cache")],
        ..PackageTool::new("pnpm", &["pnpm"], &["add", "--silent", "--ignore-scripts", "is-number"])
    },
    PackageTool {
        files: &[("package.json", "{\"name\": \"probe\", \"version\": \"0.0.0\"}\n"), ("yarn.lock", "")],
        environment: &[("YARN_CACHE_FOLDER", "{directory}/cache")],
        ..PackageTool::new("yarn", &["yarn"], &["add", "is-number"])
    },
    PackageTool {
        files: &[("go.mod", "module probe\n\ngo 1.17\n\nrequire rsc.io/quote v1.5.2\n")],
        environment: &[
            ("GOMODCACHE", "{directory}/modules"),
            ("GOFLAGS", "-modcacherw -mod=mod"),
            ("GOTOOLCHAIN", "local"),
        ],
        settings: &[
            Setting { arguments: &["env", "GOPROXY"], form: Form::Value, variable: "GOPROXY" },
            Setting { arguments: &["env", "GOSUMDB"], form: Form::Value, variable: "GOSUMDB" },
        ],
        ..PackageTool::new("go", &["go"], &["mod", "download"])
    },
    PackageTool::new(
        "maven",
        &["mvn"],
        &[
            "--quiet",
            "--batch-mode",
            "-Dmaven.repo.local={directory}/repository",
            "dependency:get",
            "-Dartifact=junit:junit:4.13.2",
            "-Dtransitive=false",
        ],
    ),
    PackageTool::new("gem", &["gem"], &["fetch", "--quiet", "rake"]),
    PackageTool {
        environment: &[("COMPOSER_CACHE_DIR", "{directory}/cache"), ("COMPOSER_NO_INTERACTION", "1")],
        ..PackageTool::new(
            "composer",
            &["composer"],
            &["require", "--quiet", "--no-interaction", "--no-plugins", "--no-scripts", "psr/log"],
        )
    },
];
