//! Homes as the version managers lay them out: simulated, since they cannot be installed here. None of their programs is run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

struct Home(TempDir);

impl Home {
    /// A home with these files, and links written as `link -> target`.
    fn new(entries: &[&str]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for entry in entries {
            let (name, target) = entry.split_once(" -> ").map_or((*entry, None), |(name, target)| (name, Some(target)));
            let (name, content) = name.split_once(": ").unwrap_or((name, ""));
            let path = home.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match target {
                Some(target) => symlink(target, path).unwrap(),
                None => fs::write(path, content).unwrap(),
            }
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn environment(&self, more: &[(&str, &str)]) -> HostEnvironment {
        let own = [("HOME".to_owned(), self.0.path().display().to_string())];
        HostEnvironment::new(
            own.into_iter().chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))),
        )
    }

    fn find(&self, more: &[(&str, &str)]) -> Vec<Toolchain> {
        let found = finders::find(&self.environment(more));
        // A Go of the machine's own may be in its usual place.
        found.into_iter().filter(|toolchain| !toolchain.path.iter().any(|path| path.starts_with("/usr"))).collect()
    }

    /// Below the home.
    fn short(&self, paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| path.strip_prefix(self.0.path()).unwrap_or(path).display().to_string()).collect()
    }
}

#[test]
fn each_version_manager_shows_what_it_installed_and_its_choice() {
    // Name, what is laid out, what is shown, what is on PATH.
    type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);
    let cases: [Case; 15] = [
        (
            "rust",
            &[
                ".cargo/bin/cargo",
                ".cargo/credentials.toml",
                ".rustup/toolchains/stable/bin/cargo",
                ".rustup/settings.toml",
            ],
            &[".cargo/bin", ".rustup/toolchains", ".rustup/settings.toml"],
            &[".cargo/bin"],
        ),
        (
            "nvm",
            &[
                ".nvm/versions/node/v9.1.0/bin/node",
                ".nvm/versions/node/v20.10.0/bin/node",
                ".nvm/versions/node/v20.9.0/bin/node",
                ".nvm/alias/default: 20",
            ],
            &[".nvm/versions/node"],
            &[".nvm/versions/node/v20.10.0/bin"],
        ),
        (
            "nvm",
            &[
                ".nvm/versions/node/v9.1.0/bin/node",
                ".nvm/versions/node/v20.9.0/bin/node",
                ".nvm/alias/default: lts/old",
                ".nvm/alias/lts/old: v9.1.0",
            ],
            &[".nvm/versions/node"],
            &[".nvm/versions/node/v9.1.0/bin"],
        ),
        (
            "volta",
            &[
                ".volta/tools/image/node/18.0.0/bin/node",
                ".volta/tools/user/platform.json: {\"node\":{\"runtime\":\"18.0.0\"}}",
            ],
            &[".volta/tools/image"],
            &[".volta/tools/image/node/18.0.0/bin"],
        ),
        (
            "pyenv",
            &[".pyenv/versions/3.9.1/bin/python3", ".pyenv/versions/3.12.1/bin/python3", ".pyenv/version: 3.12 3.9.1"],
            &[".pyenv/versions"],
            &[".pyenv/versions/3.12.1/bin", ".pyenv/versions/3.9.1/bin"],
        ),
        (
            "go",
            &["sdk/go1.22.0/bin/go", "sdk/go1.22.0/src/fmt/print.go", "sdk/go1.22.0/VERSION", "sdk/go1.22.0/.netrc"],
            &["sdk/go1.22.0/src", "sdk/go1.22.0/VERSION", "sdk/go1.22.0/bin"],
            &["sdk/go1.22.0/bin"],
        ),
        ("go programs", &["go/bin/tool", "go/pkg/mod/cache"], &["go/bin"], &["go/bin"]),
        (
            "sdkman",
            &[
                ".sdkman/candidates/java/21.0.1/bin/java",
                ".sdkman/candidates/java/current -> 21.0.1",
                ".sdkman/etc/config",
            ],
            &[".sdkman/candidates"],
            &[".sdkman/candidates/java/current/bin"],
        ),
        (
            "rbenv",
            &[".rbenv/versions/3.3.0/bin/ruby", ".rbenv/version: 3.3.0"],
            &[".rbenv/versions"],
            &[".rbenv/versions/3.3.0/bin"],
        ),
        (
            "pnpm",
            &[
                ".local/share/pnpm/pnpm",
                ".local/share/pnpm/global/5/node_modules/x",
                ".local/share/pnpm/store/v3/x",
                ".local/share/pnpm/.npmrc",
            ],
            &[".local/share/pnpm/pnpm", ".local/share/pnpm/global"],
            &[".local/share/pnpm"],
        ),
        ("bun", &[".bun/bin/bun", ".bun/install/cache/x"], &[".bun/bin"], &[".bun/bin"]),
        ("deno", &[".deno/bin/deno"], &[".deno/bin"], &[".deno/bin"]),
        (
            "mise",
            &[".local/share/mise/installs/node/18.0.0/bin/node", ".local/share/mise/installs/node/20.1.0/bin/node"],
            &[".local/share/mise/installs"],
            &[".local/share/mise/installs/node/20.1.0/bin"],
        ),
        (
            "conda",
            &[
                "miniconda3/bin/conda",
                "miniconda3/lib/x",
                "miniconda3/conda-meta/history",
                "miniconda3/.condarc",
                "miniconda3/pkgs/x",
            ],
            &["miniconda3/lib", "miniconda3/bin", "miniconda3/conda-meta"],
            &["miniconda3/bin"],
        ),
        (
            "programs of the user",
            &[
                ".local/bin/poetry -> ../share/pypoetry/venv/bin/poetry",
                ".local/share/pypoetry/venv/bin/poetry",
                ".local/share/uv/python/3.12/bin/python",
                ".local/share/uv/credentials/x",
                ".local/share/keyrings/login.keyring",
            ],
            &[".local/bin", ".local/share/uv/python", ".local/share/pypoetry/venv"],
            &[".local/bin"],
        ),
    ];
    for (name, entries, shown, path) in cases {
        let home = Home::new(entries);
        let found = home.find(&[]);
        assert_eq!(found.iter().map(|toolchain| toolchain.name.as_str()).collect::<Vec<_>>(), [name], "{entries:?}");
        assert_eq!(home.short(&found[0].shown), shown, "{name}");
        assert_eq!(home.short(&found[0].path), path, "{name}");
    }
    assert_eq!(
        Home::new(&[".netrc", ".ssh/id_rsa", ".aws/credentials", ".npmrc", ".config/gh/hosts.yml"]).find(&[]),
        []
    );
}

#[test]
fn variables_say_where_else_a_toolchain_is() {
    let home = Home::new(&[
        "a/cargo/bin/cargo",
        "a/rustup/toolchains/stable/bin/cargo",
        "a/go/bin/go",
        "a/go/src/fmt/print.go",
    ]);
    let of = |name: &str| home.path(name).display().to_string();
    let (cargo, rustup, go) = (of("a/cargo"), of("a/rustup"), of("a/go"));
    let variables =
        [("CARGO_HOME", cargo.as_str()), ("RUSTUP_HOME", &rustup), ("GOROOT", &go), ("RUSTUP_TOOLCHAIN", "nightly")];
    let found = home.find(&variables);
    assert_eq!(home.short(&found[0].path), ["a/cargo/bin"]);
    let expected = [("RUSTUP_HOME".to_owned(), rustup.clone()), ("RUSTUP_TOOLCHAIN".to_owned(), "nightly".to_owned())];
    assert_eq!(found[0].variables, expected);
    assert_eq!(home.short(&found[1].path), ["a/go/bin"]);
}

#[test]
fn a_chosen_bin_brings_what_its_programs_need_and_nothing_beside() {
    let home = Home::new(&[
        "opt/node/bin/node",
        "opt/node/lib/node_modules/npm/x",
        "opt/node/secrets/token",
        "opt/plain/tool",
        ".cargo/bin/cargo",
        ".cargo/credentials.toml",
        ".rustup/toolchains/stable/bin/cargo",
        "bin/own",
        "lib/private",
        ".local/bin/own",
        ".local/lib/python3/x",
        ".local/share/keyrings/login.keyring",
    ]);
    let shown = |name: &str| {
        let chosen = chosen::toolchain(&home.path(name), &home.environment(&[]));
        assert_eq!(home.short(&chosen.path), [name]);
        home.short(&chosen.shown)
    };
    assert_eq!(shown("opt/node/bin"), ["opt/node/lib", "opt/node/bin"]);
    assert_eq!(shown("opt/plain"), ["opt/plain"]);
    assert_eq!(shown(".cargo/bin"), [".cargo/bin", ".rustup/toolchains"]);
    assert_eq!(shown("bin"), ["bin"]);
    assert_eq!(shown(".local/bin"), [".local/bin"]);
}

#[test]
fn toolchains_are_shown_to_whom_the_setting_names() {
    let shown_to = |setting: &str, owner: &str| {
        let variable = |name: &'static str| match name {
            "BACKSPACE_TOOLCHAINS" => Some(setting.to_owned()),
            "BACKSPACE_HOME" => Some("/nowhere".to_owned()),
            _ => None,
        };
        let settings = Settings::from(variable).unwrap();
        Toolchains::new(&settings, "me".parse().unwrap()).are_shown_to(&owner.parse().unwrap())
    };
    assert_eq!(["me", "you"].map(|owner| shown_to("", owner)), [true, false]);
    assert_eq!(["me", "you"].map(|owner| shown_to("all", owner)), [true, true]);
    assert_eq!(["me", "you"].map(|owner| shown_to("off", owner)), [false, false]);
}

#[test]
fn what_cannot_be_at_its_own_path_is_left_out_of_the_sandbox() {
    let variable = |name: &'static str| match name {
        "BACKSPACE_HOME" => Some("/nowhere".to_owned()),
        "BACKSPACE_SANDBOX_PATH" => Some("/usr/games:/proc/self:/nowhere/bin".to_owned()),
        "BACKSPACE_SANDBOX_MOUNTS" => Some("/:/sys/kernel".to_owned()),
        "BACKSPACE_SANDBOX_ENV" => Some("A=1\\nB=x=y".to_owned()),
        _ => None,
    };
    let settings = Settings::from(variable).unwrap();
    let mut specification = Specification::new(Path::new("/nowhere"));
    Toolchains::new(&settings, "me".parse().unwrap()).show(&mut specification, false);
    assert_eq!(specification.mounts, []);
    assert_eq!(specification.path, [Path::new("/usr/games")]);
    assert_eq!(
        specification.environment,
        [("A", "1"), ("B", "x=y")].map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}
