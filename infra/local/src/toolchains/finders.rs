//! Where each version manager and toolchain keeps what it has installed for a user.

use std::path::{Path, PathBuf};

use super::Toolchain;
use super::layout::{prefix, present, version, versions, word};
use crate::settings::HostEnvironment;

/// All that are found, in the order of `PATH`.
pub(super) fn find(host: &HostEnvironment) -> Vec<Toolchain> {
    let finders: [fn(&Place<'_>) -> Vec<Toolchain>; 15] =
        [rust, nvm, fnm, volta, pyenv, go, sdkman, rbenv, pnpm, bun, deno, mise, asdf, conda, local];
    let Some(home) = host.home() else { return Vec::new() };
    let place = Place { host, home };
    finders.iter().flat_map(|find| find(&place)).collect()
}

struct Place<'a> {
    host: &'a HostEnvironment,
    home: PathBuf,
}

impl Place<'_> {
    /// The directory that a variable names, or the usual one below the home.
    fn directory(&self, variable: &str, usual: &str) -> PathBuf {
        self.host.directory(variable).unwrap_or_else(|| self.home.join(usual))
    }

    fn data(&self, name: &str) -> PathBuf {
        self.directory("XDG_DATA_HOME", ".local/share").join(name)
    }
}

/// A toolchain of what is there; none when nothing of `path` is.
fn toolchain(
    name: &str,
    shown: Vec<PathBuf>,
    path: impl IntoIterator<Item = PathBuf>,
    variables: Vec<(&str, &Path)>,
) -> Option<Toolchain> {
    let path: Vec<PathBuf> = path.into_iter().filter(|directory| directory.is_dir()).collect();
    let text = |(name, value): (&str, &Path)| (name.to_owned(), value.display().to_string());
    let variables = variables.into_iter().map(text).collect();
    (!path.is_empty()).then(|| Toolchain { name: name.to_owned(), shown, path, variables })
}

/// `bin` of cargo's directory, beside which are credentials and caches, and the toolchains that its rustup chooses from.
fn rust(place: &Place<'_>) -> Vec<Toolchain> {
    let bin = place.directory("CARGO_HOME", ".cargo").join("bin");
    let rustup = place.directory("RUSTUP_HOME", ".rustup");
    let mut shown = vec![bin.clone()];
    let mut variables = Vec::new();
    if rustup.join("toolchains").is_dir() {
        // The last one is always empty, and rustup does nothing without it.
        shown.extend(present(&rustup, &["toolchains", "settings.toml", "update-hashes"]));
        variables.push(("RUSTUP_HOME", rustup.as_path()));
    }
    let mut found = toolchain("rust", shown, [bin], variables);
    if let (Some(found), Some(chosen)) = (&mut found, place.host.get("RUSTUP_TOOLCHAIN")) {
        found.variables.push(("RUSTUP_TOOLCHAIN".to_owned(), chosen.to_owned()));
    }
    found.into_iter().collect()
}

fn nvm(place: &Place<'_>) -> Vec<Toolchain> {
    let nvm = place.directory("NVM_DIR", ".nvm");
    let installed = nvm.join("versions/node");
    // An alias may name another one; `node` and `stable` stand for the newest.
    let mut wanted = word(&nvm.join("alias/default"));
    for _ in 0..4 {
        let next = wanted.as_ref().and_then(|name| word(&nvm.join("alias").join(name)));
        wanted = next.or(wanted);
    }
    let chosen =
        wanted.and_then(|wanted| version(&installed, &wanted)).or_else(|| versions(&installed).into_iter().next());
    let chosen = chosen.map(|version| version.join("bin"));
    toolchain("nvm", vec![installed], chosen, Vec::new()).into_iter().collect()
}

fn fnm(place: &Place<'_>) -> Vec<Toolchain> {
    let fnm = place.host.directory("FNM_DIR").unwrap_or_else(|| place.data("fnm"));
    let shown = present(&fnm, &["node-versions", "aliases"]);
    let chosen = fnm.join("aliases/default/bin");
    // The alias is a link, perhaps to outside of what is shown.
    let real = chosen.canonicalize().ok().filter(|real| shown.iter().any(|shown| real.starts_with(shown)));
    toolchain("fnm", shown, real, Vec::new()).into_iter().collect()
}

fn volta(place: &Place<'_>) -> Vec<Toolchain> {
    let volta = place.directory("VOLTA_HOME", ".volta");
    let platform = std::fs::read(volta.join("tools/user/platform.json")).unwrap_or_default();
    let platform: serde_json::Value = serde_json::from_slice(&platform).unwrap_or_default();
    let images = volta.join("tools/image");
    let chosen = platform["node"]["runtime"].as_str().and_then(|wanted| version(&images.join("node"), wanted));
    let chosen = chosen.map(|version| version.join("bin"));
    toolchain("volta", vec![images], chosen, Vec::new()).into_iter().collect()
}

/// The versions themselves: the shims would start a shell script for every command.
fn pyenv(place: &Place<'_>) -> Vec<Toolchain> {
    let pyenv = place.directory("PYENV_ROOT", ".pyenv");
    let installed = pyenv.join("versions");
    let wanted = std::fs::read_to_string(pyenv.join("version")).unwrap_or_default();
    let chosen: Vec<PathBuf> = wanted
        .split_whitespace()
        .filter_map(|name| version(&installed, name))
        .map(|version| version.join("bin"))
        .collect();
    toolchain("pyenv", vec![installed], chosen, Vec::new()).into_iter().collect()
}

/// The installation that the environment names or that `PATH` leads to, and what was installed with it.
fn go(place: &Place<'_>) -> Vec<Toolchain> {
    let on_path = || {
        let program = place.host.find_program("go")?.canonicalize().ok()?;
        program.parent()?.parent().map(Path::to_path_buf)
    };
    let sdk = || versions(&place.home.join("sdk")).into_iter().next();
    let usual = || Some(PathBuf::from("/usr/local/go"));
    let is_root = |root: &PathBuf| root.join("bin/go").is_file() && root.join("src").is_dir();
    let root = place.host.directory("GOROOT").filter(is_root);
    let root = root
        .or_else(|| on_path().filter(is_root))
        .or_else(|| sdk().filter(is_root))
        .or_else(|| usual().filter(is_root));
    let installed = place.directory("GOPATH", "go").join("bin");
    let own = toolchain("go programs", vec![installed.clone()], [installed], Vec::new());
    root.and_then(|root| prefix("go", &root)).into_iter().chain(own).collect()
}

fn sdkman(place: &Place<'_>) -> Vec<Toolchain> {
    let candidates = place.directory("SDKMAN_DIR", ".sdkman").join("candidates");
    let current: Vec<PathBuf> = versions(&candidates).iter().map(|candidate| candidate.join("current/bin")).collect();
    let java = candidates.join("java/current");
    let variables = if java.is_dir() { vec![("JAVA_HOME", java.as_path())] } else { Vec::new() };
    toolchain("sdkman", vec![candidates], current, variables).into_iter().collect()
}

fn rbenv(place: &Place<'_>) -> Vec<Toolchain> {
    let rbenv = place.directory("RBENV_ROOT", ".rbenv");
    let installed = rbenv.join("versions");
    let chosen = word(&rbenv.join("version")).and_then(|wanted| version(&installed, &wanted));
    let chosen = chosen.map(|version| version.join("bin"));
    toolchain("rbenv", vec![installed], chosen, Vec::new()).into_iter().collect()
}

/// Its directory is on `PATH` itself; only what it has installed is shown.
fn pnpm(place: &Place<'_>) -> Vec<Toolchain> {
    let pnpm = place.host.directory("PNPM_HOME").unwrap_or_else(|| place.data("pnpm"));
    let shown = present(&pnpm, &["pnpm", "pnpx", "node", "npm", "npx", "global", "nodejs", ".tools"]);
    let is_there = shown.iter().any(|path| path.ends_with("pnpm") || path.ends_with("nodejs"));
    let found = is_there.then(|| toolchain("pnpm", shown, [pnpm], Vec::new()));
    found.flatten().into_iter().collect()
}

fn bun(place: &Place<'_>) -> Vec<Toolchain> {
    let bin = place.directory("BUN_INSTALL", ".bun").join("bin");
    toolchain("bun", vec![bin.clone()], [bin], Vec::new()).into_iter().collect()
}

fn deno(place: &Place<'_>) -> Vec<Toolchain> {
    let bin = place.directory("DENO_INSTALL", ".deno").join("bin");
    toolchain("deno", vec![bin.clone()], [bin], Vec::new()).into_iter().collect()
}

fn mise(place: &Place<'_>) -> Vec<Toolchain> {
    let installs = place.host.directory("MISE_DATA_DIR").unwrap_or_else(|| place.data("mise")).join("installs");
    newest_of_each("mise", installs)
}

fn asdf(place: &Place<'_>) -> Vec<Toolchain> {
    newest_of_each("asdf", place.directory("ASDF_DATA_DIR", ".asdf").join("installs"))
}

/// `installs/TOOL/VERSION/bin`.
fn newest_of_each(name: &str, installs: PathBuf) -> Vec<Toolchain> {
    let newest =
        |tool: &PathBuf| versions(tool).into_iter().map(|version| version.join("bin")).find(|bin| bin.is_dir());
    let chosen: Vec<PathBuf> = versions(&installs).iter().filter_map(newest).collect();
    toolchain(name, vec![installs], chosen, Vec::new()).into_iter().collect()
}

fn conda(place: &Place<'_>) -> Vec<Toolchain> {
    let roots = ["miniforge3", "miniconda3", "anaconda3", "mambaforge"].map(|name| place.home.join(name));
    let root = roots.iter().find(|root| root.join("conda-meta").is_dir());
    let found = root.and_then(|root| {
        let mut found = prefix("conda", root)?;
        found.shown.extend(present(root, &["conda-meta", "envs", "etc", "ssl", "condabin"]));
        Some(found)
    });
    found.into_iter().collect()
}

/// Programs that a user has installed for themselves, with the environments that pipx, uv and poetry keep for theirs.
fn local(place: &Place<'_>) -> Vec<Toolchain> {
    let bin = place.home.join(".local/bin");
    let mut shown = vec![bin.clone()];
    shown.extend(present(&place.data(""), &["uv/python", "uv/tools", "pipx/venvs", "pypoetry/venv"]));
    shown.extend(present(&place.home, &[".local/pipx/venvs"]));
    toolchain("programs of the user", shown, [bin], Vec::new()).into_iter().collect()
}
