//! What the user's own programs find in their environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Variables that say where the user's toolchains and package managers are and how they are set, with names of one system each.
const NAMES: [&str; 47] = [
    "ASDF_DATA_DIR",
    "BUN_INSTALL",
    "CURL_CA_BUNDLE",
    "DENO_INSTALL",
    "FNM_DIR",
    "GOFLAGS",
    "GONOPROXY",
    "GONOSUMDB",
    "GOPATH",
    "GOPRIVATE",
    "GOPROXY",
    "GOROOT",
    "GOSUMDB",
    "GOTOOLCHAIN",
    "GRADLE_HOME",
    "HOME",
    "JAVA_HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "MAVEN_HOME",
    "MISE_DATA_DIR",
    "NODE_EXTRA_CA_CERTS",
    "NVM_DIR",
    "PATH",
    "PNPM_HOME",
    "PYENV_ROOT",
    "RBENV_ROOT",
    "REQUESTS_CA_BUNDLE",
    "RUSTUP_DIST_SERVER",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTUP_UPDATE_ROOT",
    "SDKMAN_DIR",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TMP",
    "TMPDIR",
    "USER",
    "VOLTA_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];
const PREFIXES: [&str; 11] = [
    "BUNDLE_",
    "CARGO_",
    "COMPOSER_",
    "GEM_",
    "MAVEN_",
    "NPM_CONFIG_",
    "PIP_",
    "POETRY_",
    "UV_",
    "YARN_",
    "npm_config_",
];

/// The variables of the user's environment that toolchains and package managers read. Values may be secret: none is shown, and none
/// reaches a sandbox without being looked at.
#[derive(Clone, Default)]
pub struct HostEnvironment(BTreeMap<String, String>);

impl HostEnvironment {
    /// Keeps those of the variables that concern toolchains and package managers.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let concerns = |name: &str| NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        Self(variables.into_iter().filter(|(name, value)| concerns(name) && !value.is_empty()).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The directory that a variable names, when it is an absolute path.
    pub fn directory(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    pub fn home(&self) -> Option<PathBuf> {
        self.directory("HOME")
    }

    /// The directories on the user's `PATH`.
    pub fn path(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.get("PATH").unwrap_or_default();
        path.split(':').map(PathBuf::from).filter(|directory| directory.is_absolute())
    }

    /// The first file of this name on the user's `PATH`.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        self.path().map(|directory| directory.join(name)).find(|file| file.is_file())
    }

    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for HostEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
