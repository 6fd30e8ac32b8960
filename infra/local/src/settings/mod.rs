//! The settings of the program, from environment variables and the program's own `.env`. Nothing else reads either.

mod commands;
mod env_file;
mod error;
mod host;
mod limits;
mod model_access;
mod secrets;
pub mod variables;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{MicroDollars, Network};
use egress::Target;

pub use error::SettingsError;
pub use host::HostEnvironment;
pub use limits::CommandLimits;
pub use model_access::ModelAccess;
pub use secrets::EnvironmentSecrets;

use variables as names;

/// Address of the Claude API.
pub(crate) const CLAUDE_URL: &str = "https://api.anthropic.com";

/// The model, when neither the request nor the settings name one.
pub(crate) const DEFAULT_MODEL: &str = "claude-sonnet-5-5";

const SECONDS_PER_DAY: u64 = 24 * 3600;

/// How commands are contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// In namespaces, under Landlock and seccomp.
    Isolated,
    /// Under Landlock and seccomp only.
    Reduced,
}

/// Whose sessions see the toolchains of the machine's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchains {
    /// That user's.
    Owner,
    /// Everybody's.
    All,
    /// Nobody's.
    Off,
}

/// The settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program's own directory.
    pub home: PathBuf,
    /// Address of the model's service.
    pub model_url: String,
    /// The model, when a request names none.
    pub model: String,
    pub model_access: ModelAccess,
    /// Maximum length of a reply, in tokens.
    pub max_tokens: u32,
    /// Length, in tokens, from which on a conversation is compacted into a new one.
    pub context_tokens: u64,
    pub log_level: String,
    /// Endpoint and headers of the collector for traces.
    pub collector: Option<(String, Option<String>)>,
    pub containment: Containment,
    /// Directories with toolchains for commands.
    pub sandbox_path: Vec<PathBuf>,
    /// Directories and files for commands, not on their PATH.
    pub sandbox_mounts: Vec<PathBuf>,
    /// Variables for commands.
    pub sandbox_variables: Vec<(String, String)>,
    pub toolchains: Toolchains,
    /// What a command may use, and what all commands of a sandbox may use together.
    pub limits: CommandLimits,
    /// The network of a session whose request names none.
    pub network: Network,
    /// Hosts that the network `registries` reaches besides the recorded ones.
    pub registries: Vec<Target>,
    /// What the user's own toolchains and package managers read.
    pub host: HostEnvironment,
    /// Time limit of a command of the model.
    pub command_seconds: Option<u64>,
    /// The checks of every session's change, as shell commands.
    pub checks: Option<Vec<String>>,
    /// How long a session waits for a user's answer.
    pub answer_seconds: u64,
    /// How long a server keeps a stream open.
    pub stream_age: Duration,
    /// Name and email of the author of commits.
    pub author: (String, String),
    /// Maximum cost of a run, when a request sets none.
    pub max_cost: Option<MicroDollars>,
    pub secrets: EnvironmentSecrets,
}

impl Settings {
    /// Reads the settings from the environment of the process and, for variables not set there, from `.env` in the program's
    /// own directory.
    ///
    /// The working directory's `.env` is not read: the working directory is often the repository to work on, whose `.env`
    /// must not decide where the key is sent or what a sandbox sees.
    ///
    /// # Errors
    ///
    /// When the file exists and cannot be read, or a value cannot be used.
    pub fn read() -> anyhow::Result<Self> {
        let path = home(&process_variable)?.join(".env");
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => env_file::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))),
        };
        let settings = Self::from(|name| process_variable(name).or_else(|| file.get(name).cloned()))?;
        Ok(Self { host: HostEnvironment::new(process_variables()), ..settings })
    }

    /// Builds the settings from the values of `variable`. An empty value counts as not set. The user's own toolchains and package
    /// managers are left out.
    pub fn from(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, SettingsError> {
        let get = |name| not_empty(variable(name));
        let number = |name| {
            let parse = |value: String| {
                value.parse::<u64>().map_err(|_| SettingsError::new(name, &value, "a whole number is expected"))
            };
            get(name).map(parse).transpose()
        };
        let containment = match get(names::BACKSPACE_SANDBOX).as_deref() {
            None | Some("isolated") => Containment::Isolated,
            Some("reduced") => Containment::Reduced,
            Some(other) => {
                return Err(SettingsError::new(names::BACKSPACE_SANDBOX, other, "isolated or reduced is expected"));
            }
        };
        let max_cost = get(names::BACKSPACE_MAX_COST_USD)
            .map(|value| {
                value.parse().map_err(|error: domain::InvalidAmount| {
                    SettingsError::new(names::BACKSPACE_MAX_COST_USD, &value, error.to_string())
                })
            })
            .transpose()?;
        let headers = get(names::OTEL_EXPORTER_OTLP_HEADERS);
        let network = match get(names::BACKSPACE_NETWORK) {
            None => Network::default(),
            Some(value) => value.parse().map_err(|error: domain::UnknownNetwork| {
                SettingsError::new(names::BACKSPACE_NETWORK, &value, error.to_string())
            })?,
        };
        let toolchains = match get(names::BACKSPACE_TOOLCHAINS).as_deref() {
            None | Some("owner") => Toolchains::Owner,
            Some("all") => Toolchains::All,
            Some("off") => Toolchains::Off,
            Some(other) => {
                return Err(SettingsError::new(names::BACKSPACE_TOOLCHAINS, other, "owner, all or off is expected"));
            }
        };
        let registries = get(names::BACKSPACE_REGISTRIES).unwrap_or_default();
        let registries = registries.split(',').map(str::trim).filter(|host| !host.is_empty()).map(|host| {
            host.parse().map_err(|error: egress::InvalidTarget| {
                SettingsError::new(names::BACKSPACE_REGISTRIES, host, error.to_string())
            })
        });
        let registries = registries.collect::<Result<Vec<Target>, _>>()?;
        let secrets = EnvironmentSecrets::read(&get);
        let stream_seconds = number(names::BACKSPACE_STREAM_SECONDS)?.unwrap_or(SECONDS_PER_DAY);
        Ok(Self {
            home: home(&variable)?,
            model_url: get(names::ANTHROPIC_BASE_URL).unwrap_or_else(|| CLAUDE_URL.to_owned()),
            model: get(names::BACKSPACE_MODEL).unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            model_access: ModelAccess::read(&get)?,
            max_tokens: number(names::MAX_TOKENS)?.map_or(agent::DEFAULT_MAX_TOKENS, |tokens| {
                u32::try_from(tokens).unwrap_or(u32::MAX).clamp(1024, 128_000)
            }),
            context_tokens: number(names::BACKSPACE_CONTEXT_TOKENS)?
                .unwrap_or(domain::DEFAULT_CONTEXT_TOKENS)
                .max(1000),
            log_level: get(names::LOG_LEVEL).unwrap_or_else(|| "warn".to_owned()),
            collector: get(names::OTEL_EXPORTER_OTLP_ENDPOINT).map(|endpoint| (endpoint, headers)),
            containment,
            sandbox_path: commands::paths(names::BACKSPACE_SANDBOX_PATH, &get)?,
            sandbox_mounts: commands::paths(names::BACKSPACE_SANDBOX_MOUNTS, &get)?,
            sandbox_variables: commands::variables(&get, &secrets)?,
            toolchains,
            limits: CommandLimits::read(&number)?,
            network,
            registries,
            host: HostEnvironment::default(),
            command_seconds: number(names::BACKSPACE_COMMAND_SECONDS)?,
            checks: get(names::BACKSPACE_CHECKS).map(|value| commands::checks(&value)).transpose()?,
            answer_seconds: number(names::BACKSPACE_ANSWER_SECONDS)?
                .unwrap_or(SECONDS_PER_DAY)
                .clamp(1, 13 * SECONDS_PER_DAY),
            stream_age: Duration::from_secs(stream_seconds.clamp(1, 7 * SECONDS_PER_DAY)),
            author: (
                get(names::BACKSPACE_AUTHOR_NAME).unwrap_or_else(|| "Tiny Backspace".to_owned()),
                get(names::BACKSPACE_AUTHOR_EMAIL).unwrap_or_else(|| "agent@tiny-backspace.invalid".to_owned()),
            ),
            max_cost,
            secrets,
        })
    }
}

fn not_empty(value: Option<String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The program's own directory: `BACKSPACE_HOME`, or `tiny-backspace` in the user's directory for data.
fn home(variable: &impl Fn(&'static str) -> Option<String>) -> Result<PathBuf, SettingsError> {
    let chosen = not_empty(variable(names::BACKSPACE_HOME)).map(PathBuf::from);
    // A relative path in XDG_DATA_HOME is to be ignored (XDG base directory specification).
    let data = || variable("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
    let user = || variable("HOME").map(|home| Path::new(&home).join(".local/share"));
    let home = chosen.or_else(|| data().or_else(user).map(|base| base.join("tiny-backspace")));
    let home =
        home.ok_or_else(|| SettingsError::new(names::BACKSPACE_HOME, "", "set it, or HOME, to an existing directory"))?;
    let shown = home.display().to_string();
    std::path::absolute(&home).map_err(|error| SettingsError::new(names::BACKSPACE_HOME, &shown, error.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "this module owns the environment")]
fn process_variable(name: &'static str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "this module owns the environment")]
fn process_variables() -> impl Iterator<Item = (String, String)> {
    // Names and values that are no text are nobody's settings.
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
