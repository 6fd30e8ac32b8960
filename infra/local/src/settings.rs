//! The settings of the program: environment variables and the program's own `.env`. The only place that reads either.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{SecretName, Secrets};
use domain::{MicroDollars, Unavailable};
use secrecy::{ExposeSecret, SecretString};

use crate::model_access::ModelAccess;

/// Every variable that is read, under the name that each system's users know; ours under `BACKSPACE_`.
pub mod variables {
    /// Key of the Claude API. Secret.
    pub const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";
    /// Address of the Claude API.
    pub const ANTHROPIC_BASE_URL: &str = "ANTHROPIC_BASE_URL";
    /// Headers for every request to the Claude API, one `Name: value` a line (`\n` in a file). Secret.
    pub const ANTHROPIC_CUSTOM_HEADERS: &str = "ANTHROPIC_CUSTOM_HEADERS";
    /// How the key is sent: `bearer` (default) or `x-api-key`.
    pub const BACKSPACE_MODEL_AUTH: &str = "BACKSPACE_MODEL_AUTH";
    /// How much the model is to think: `low`, `medium`, `high`, `xhigh` or `max`.
    pub const BACKSPACE_EFFORT: &str = "BACKSPACE_EFFORT";
    /// Proxy for `https` addresses. May hold a password.
    pub const HTTPS_PROXY: &str = "HTTPS_PROXY";
    /// Proxy for `http` addresses. May hold a password.
    pub const HTTP_PROXY: &str = "HTTP_PROXY";
    /// Hosts that are reached without a proxy, separated by commas.
    pub const NO_PROXY: &str = "NO_PROXY";
    /// Token of GitHub. Secret.
    pub const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
    /// Id of the Modal token.
    pub const MODAL_TOKEN_ID: &str = "MODAL_TOKEN_ID";
    /// The Modal token. Secret.
    pub const MODAL_TOKEN_SECRET: &str = "MODAL_TOKEN_SECRET";
    /// The longest reply to ask the model for, in tokens.
    pub const MAX_TOKENS: &str = "MAX_TOKENS";
    /// The length, in tokens, from which on a conversation is handed over to a new one.
    pub const BACKSPACE_CONTEXT_TOKENS: &str = "BACKSPACE_CONTEXT_TOKENS";
    /// What is logged to stderr: `error`, `warn`, `info`, `debug`, or per module.
    pub const LOG_LEVEL: &str = "LOG_LEVEL";
    /// Where traces go, by OTLP over HTTP.
    pub const OTEL_EXPORTER_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    /// Headers for that, `name=value,name=value`.
    pub const OTEL_EXPORTER_OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    /// Where sessions, blobs, repositories and sandboxes are kept.
    pub const BACKSPACE_HOME: &str = "BACKSPACE_HOME";
    /// The model, when the request names none.
    pub const BACKSPACE_MODEL: &str = "BACKSPACE_MODEL";
    /// How commands are contained: `isolated` (default) or `reduced`.
    pub const BACKSPACE_SANDBOX: &str = "BACKSPACE_SANDBOX";
    /// Directories with toolchains that commands may see, read-only, and find on their PATH; separated by `:`.
    pub const BACKSPACE_SANDBOX_PATH: &str = "BACKSPACE_SANDBOX_PATH";
    /// The longest a command of the model may take, in seconds.
    pub const BACKSPACE_COMMAND_SECONDS: &str = "BACKSPACE_COMMAND_SECONDS";
    /// How long a person may take to answer a session, in seconds; then what there is is published as a draft.
    pub const BACKSPACE_ANSWER_SECONDS: &str = "BACKSPACE_ANSWER_SECONDS";
    /// The longest time that a stream of a server stays open, in seconds; then it says where to go on.
    pub const BACKSPACE_STREAM_SECONDS: &str = "BACKSPACE_STREAM_SECONDS";
    /// Name on commits.
    pub const BACKSPACE_AUTHOR_NAME: &str = "BACKSPACE_AUTHOR_NAME";
    /// Mail address on commits.
    pub const BACKSPACE_AUTHOR_EMAIL: &str = "BACKSPACE_AUTHOR_EMAIL";
    /// The most a run may cost, in dollars, when the request does not say.
    pub const BACKSPACE_MAX_COST_USD: &str = "BACKSPACE_MAX_COST_USD";
}

/// The address of the real Claude API.
pub(crate) const CLAUDE_URL: &str = "https://api.anthropic.com";

/// The model, when nothing names one.
pub(crate) const DEFAULT_MODEL: &str = "claude-sonnet-5-5";

const A_DAY: u64 = 24 * 3600;

/// How commands are contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// In namespaces, under Landlock and seccomp.
    Isolated,
    /// Under Landlock and seccomp only.
    Reduced,
}

/// The settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is kept.
    pub home: PathBuf,
    /// Address of the model's service.
    pub model_url: String,
    /// The model, when the request names none.
    pub model: String,
    /// How the model's service is talked to.
    pub model_access: ModelAccess,
    /// The longest reply to ask for.
    pub max_tokens: u32,
    /// The length from which on a conversation is handed over to a new one.
    pub context_tokens: u64,
    /// What is logged.
    pub log_level: String,
    /// Where traces go, and with which headers.
    pub collector: Option<(String, Option<String>)>,
    /// How commands are contained.
    pub containment: Containment,
    /// Toolchains for commands.
    pub sandbox_path: Vec<PathBuf>,
    /// The longest a command of the model may take, in seconds.
    pub command_seconds: Option<u64>,
    /// How long a person may take to answer, in seconds.
    pub answer_seconds: u64,
    /// The longest time that a stream stays open.
    pub stream_age: Duration,
    /// Who commits are by.
    pub author: (String, String),
    /// The most a run may cost, when the request does not say.
    pub max_cost: Option<MicroDollars>,
    /// Keys and tokens.
    pub secrets: EnvironmentSecrets,
}

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name} is {value:?}: {problem}")]
pub struct SettingsError {
    name: &'static str,
    value: String,
    problem: String,
}

impl Settings {
    /// Reads the settings from the environment of the process and, below it, from `.env` in the program's own directory.
    ///
    /// Not from the working directory: that is often the repository to be worked on, whose `.env` must not decide where the
    /// key goes or what a sandbox sees.
    pub fn read() -> anyhow::Result<Self> {
        let get = |name| process_variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let path = home(&get, &process_variable)?.join(".env");
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => parse_env_file(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))),
        };
        Ok(Self::from(|name| process_variable(name).or_else(|| file.get(name).cloned()))?)
    }

    /// Makes the settings from what `variable` says; empty counts as not set.
    pub fn from(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, SettingsError> {
        use variables as names;
        let get = |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let secret = |name| get(name).map(SecretString::from);
        let containment = match get(names::BACKSPACE_SANDBOX).as_deref() {
            None | Some("isolated") => Containment::Isolated,
            Some("reduced") => Containment::Reduced,
            Some(other) => return Err(problem(names::BACKSPACE_SANDBOX, other, "say isolated or reduced")),
        };
        let number =
            |name, value: String| value.parse().map_err(|_| problem(name, &value, "a whole number is expected"));
        let max_tokens = get(names::MAX_TOKENS).map(|value| number(names::MAX_TOKENS, value)).transpose()?;
        let context_tokens = get(names::BACKSPACE_CONTEXT_TOKENS)
            .map(|value| number(names::BACKSPACE_CONTEXT_TOKENS, value))
            .transpose()?;
        let seconds = get(names::BACKSPACE_COMMAND_SECONDS)
            .map(|value| number(names::BACKSPACE_COMMAND_SECONDS, value))
            .transpose()?;
        let answer_seconds = get(names::BACKSPACE_ANSWER_SECONDS)
            .map(|value| number(names::BACKSPACE_ANSWER_SECONDS, value))
            .transpose()?;
        let stream_seconds = get(names::BACKSPACE_STREAM_SECONDS)
            .map(|value| number(names::BACKSPACE_STREAM_SECONDS, value))
            .transpose()?;
        let max_cost = get(names::BACKSPACE_MAX_COST_USD)
            .map(|value| {
                value.parse().map_err(|error: domain::InvalidAmount| {
                    problem(names::BACKSPACE_MAX_COST_USD, &value, &error.to_string())
                })
            })
            .transpose()?;
        let headers = get(names::OTEL_EXPORTER_OTLP_HEADERS);
        let sandbox_path = get(names::BACKSPACE_SANDBOX_PATH).unwrap_or_default();
        Ok(Self {
            home: home(&get, &variable)?,
            model_url: get(names::ANTHROPIC_BASE_URL).unwrap_or_else(|| CLAUDE_URL.to_owned()),
            model: get(names::BACKSPACE_MODEL).unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            model_access: ModelAccess::read(&get)?,
            max_tokens: max_tokens.map_or(agent::DEFAULT_MAX_TOKENS, |tokens: u64| {
                u32::try_from(tokens).unwrap_or(u32::MAX).clamp(1024, 128_000)
            }),
            context_tokens: context_tokens.unwrap_or(domain::DEFAULT_CONTEXT_TOKENS).max(1000),
            log_level: get(names::LOG_LEVEL).unwrap_or_else(|| "warn".to_owned()),
            collector: get(names::OTEL_EXPORTER_OTLP_ENDPOINT).map(|endpoint| (endpoint, headers)),
            containment,
            sandbox_path: sandbox_path.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect(),
            command_seconds: seconds,
            answer_seconds: answer_seconds.unwrap_or(A_DAY).clamp(1, 13 * A_DAY),
            stream_age: Duration::from_secs(stream_seconds.unwrap_or(A_DAY).clamp(1, 7 * A_DAY)),
            author: (
                get(names::BACKSPACE_AUTHOR_NAME).unwrap_or_else(|| "Tiny Backspace".to_owned()),
                get(names::BACKSPACE_AUTHOR_EMAIL).unwrap_or_else(|| "agent@tiny-backspace.invalid".to_owned()),
            ),
            max_cost,
            secrets: EnvironmentSecrets {
                model_key: secret(names::ANTHROPIC_API_KEY),
                model_headers: secret(names::ANTHROPIC_CUSTOM_HEADERS),
                forge_token: secret(names::GITHUB_TOKEN),
                sandbox_token_id: secret(names::MODAL_TOKEN_ID),
                sandbox_token_secret: secret(names::MODAL_TOKEN_SECRET),
            },
        })
    }
}

pub(crate) fn problem(name: &'static str, value: &str, problem: &str) -> SettingsError {
    SettingsError { name, value: value.to_owned(), problem: problem.to_owned() }
}

fn home(
    get: &impl Fn(&'static str) -> Option<String>,
    variable: &impl Fn(&'static str) -> Option<String>,
) -> Result<PathBuf, SettingsError> {
    let chosen = get(variables::BACKSPACE_HOME).map(PathBuf::from);
    let data = || variable("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
    let user = || variable("HOME").map(|home| Path::new(&home).join(".local/share"));
    let home = chosen.or_else(|| data().or_else(user).map(|base| base.join("tiny-backspace")));
    let home = home.ok_or_else(|| problem(variables::BACKSPACE_HOME, "", "neither it nor HOME is set"))?;
    let shown = home.display().to_string();
    std::path::absolute(&home).map_err(|error| problem(variables::BACKSPACE_HOME, &shown, &error.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "this is the owner of the environment")]
fn process_variable(name: &'static str) -> Option<String> {
    std::env::var(name).ok()
}

/// The lines `NAME=value` of a `.env` file; values may stand in quotes, `#` begins a comment line.
fn parse_env_file(text: &str) -> HashMap<String, String> {
    let mut variables = HashMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let quoted = |mark: char| value.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        variables.insert(name.trim().to_owned(), value.to_owned());
    }
    variables
}

/// Secrets that were read from the environment.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentSecrets {
    model_key: Option<SecretString>,
    model_headers: Option<SecretString>,
    forge_token: Option<SecretString>,
    sandbox_token_id: Option<SecretString>,
    sandbox_token_secret: Option<SecretString>,
}

impl EnvironmentSecrets {
    /// The same with another key for the model's service.
    #[must_use]
    pub fn with_model_key(self, key: SecretString) -> Self {
        Self { model_key: Some(key), ..self }
    }

    /// A secret.
    pub fn of(&self, name: SecretName) -> Option<SecretString> {
        match name {
            SecretName::ModelKey => self.model_key.clone(),
            SecretName::ForgeToken => self.forge_token.clone(),
            SecretName::SandboxTokenId => self.sandbox_token_id.clone(),
            SecretName::SandboxTokenSecret => self.sandbox_token_secret.clone(),
        }
    }

    /// All of them, for the masker.
    pub fn all(&self) -> impl Iterator<Item = SecretString> {
        let headers = self.model_headers.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        // Short values are no secrets and would be found everywhere.
        let words = headers.split([' ', ':', ',', '\n']).filter(|word| word.len() >= 16);
        let words: Vec<SecretString> = words.map(SecretString::from).collect();
        SecretName::ALL.into_iter().filter_map(|name| self.of(name)).chain(words)
    }
}

#[async_trait]
impl Secrets for EnvironmentSecrets {
    async fn get(&self, name: SecretName) -> Result<Option<SecretString>, Unavailable> {
        Ok(self.of(name))
    }
}
