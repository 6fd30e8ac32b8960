//! Every environment variable that is read, under the name that users of each system know; ours begin with `BACKSPACE_`.

/// Key of the Claude API. Secret.
pub const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";
/// Address of the Claude API.
pub const ANTHROPIC_BASE_URL: &str = "ANTHROPIC_BASE_URL";
/// Headers for every request to the Claude API, one `Name: value` per line (`\n` in a file). Secret.
pub const ANTHROPIC_CUSTOM_HEADERS: &str = "ANTHROPIC_CUSTOM_HEADERS";
/// How the key is sent: `bearer` (default) or `x-api-key`.
pub const BACKSPACE_MODEL_AUTH: &str = "BACKSPACE_MODEL_AUTH";
/// The checks of every change before it is published, as shell commands, one in a line (`\n` in a file).
pub const BACKSPACE_CHECKS: &str = "BACKSPACE_CHECKS";
/// How much the model thinks: `low`, `medium`, `high`, `xhigh` or `max`.
pub const BACKSPACE_EFFORT: &str = "BACKSPACE_EFFORT";
/// Proxy for `https` addresses. May contain a password.
pub const HTTPS_PROXY: &str = "HTTPS_PROXY";
/// Proxy for `http` addresses. May contain a password.
pub const HTTP_PROXY: &str = "HTTP_PROXY";
/// Hosts that are reached without a proxy, separated by commas.
pub const NO_PROXY: &str = "NO_PROXY";
/// Token of GitHub. Secret.
pub const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// Id of the Modal token.
pub const MODAL_TOKEN_ID: &str = "MODAL_TOKEN_ID";
/// Secret of the Modal token. Secret.
pub const MODAL_TOKEN_SECRET: &str = "MODAL_TOKEN_SECRET";
/// Maximum length of a reply of the model, in tokens.
pub const MAX_TOKENS: &str = "MAX_TOKENS";
/// Length, in tokens, from which on a conversation is compacted into a new one.
pub const BACKSPACE_CONTEXT_TOKENS: &str = "BACKSPACE_CONTEXT_TOKENS";
/// Log level on stderr: `error`, `warn`, `info`, `debug`, or per module.
pub const LOG_LEVEL: &str = "LOG_LEVEL";
/// Collector for traces, by OTLP over HTTP.
pub const OTEL_EXPORTER_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Headers for the collector, `name=value,name=value`.
pub const OTEL_EXPORTER_OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The program's own directory: sessions, blobs, repositories and sandboxes.
pub const BACKSPACE_HOME: &str = "BACKSPACE_HOME";
/// The model, when a request names none.
pub const BACKSPACE_MODEL: &str = "BACKSPACE_MODEL";
/// How commands are contained: `isolated` (default) or `reduced`.
pub const BACKSPACE_SANDBOX: &str = "BACKSPACE_SANDBOX";
/// Directories with toolchains that commands see read-only and find on their PATH; separated by `:`.
pub const BACKSPACE_SANDBOX_PATH: &str = "BACKSPACE_SANDBOX_PATH";
/// Directories and files that commands see read-only, without being on their PATH; separated by `:`.
pub const BACKSPACE_SANDBOX_MOUNTS: &str = "BACKSPACE_SANDBOX_MOUNTS";
/// Variables that commands find in their environment, one `NAME=value` per line (`\n` in a file). Not for secrets.
pub const BACKSPACE_SANDBOX_ENV: &str = "BACKSPACE_SANDBOX_ENV";
/// Whose sessions see the toolchains of the machine's user: `owner` (default), `all` or `off`.
pub const BACKSPACE_TOOLCHAINS: &str = "BACKSPACE_TOOLCHAINS";
/// The network of a session whose request names none: `none` (default), `registries` or `open`.
pub const BACKSPACE_NETWORK: &str = "BACKSPACE_NETWORK";
/// Hosts that the network `registries` reaches besides the recorded ones: `host` or `host:port`, separated by commas.
pub const BACKSPACE_REGISTRIES: &str = "BACKSPACE_REGISTRIES";
/// Memory of all commands of a sandbox together, in megabytes.
pub const BACKSPACE_SANDBOX_MEMORY_MB: &str = "BACKSPACE_SANDBOX_MEMORY_MB";
/// Disk space of a sandbox, in megabytes.
pub const BACKSPACE_SANDBOX_DISK_MB: &str = "BACKSPACE_SANDBOX_DISK_MB";
/// Processes and threads of a sandbox.
pub const BACKSPACE_SANDBOX_PROCESSES: &str = "BACKSPACE_SANDBOX_PROCESSES";
/// Open files of a process.
pub const BACKSPACE_SANDBOX_OPEN_FILES: &str = "BACKSPACE_SANDBOX_OPEN_FILES";
/// Size of a file, in megabytes.
pub const BACKSPACE_SANDBOX_FILE_MB: &str = "BACKSPACE_SANDBOX_FILE_MB";
/// Processor time of a process, in seconds.
pub const BACKSPACE_SANDBOX_CPU_SECONDS: &str = "BACKSPACE_SANDBOX_CPU_SECONDS";
/// Time limit of a command of the model, in seconds.
pub const BACKSPACE_COMMAND_SECONDS: &str = "BACKSPACE_COMMAND_SECONDS";
/// How long a session waits for a user's answer, in seconds; then its work so far is published as a draft.
pub const BACKSPACE_ANSWER_SECONDS: &str = "BACKSPACE_ANSWER_SECONDS";
/// How long a server keeps a stream open, in seconds; then its last frame says where to resume.
pub const BACKSPACE_STREAM_SECONDS: &str = "BACKSPACE_STREAM_SECONDS";
/// Author name on commits.
pub const BACKSPACE_AUTHOR_NAME: &str = "BACKSPACE_AUTHOR_NAME";
/// Author email on commits.
pub const BACKSPACE_AUTHOR_EMAIL: &str = "BACKSPACE_AUTHOR_EMAIL";
/// Maximum cost of a run in dollars, when a request sets none.
pub const BACKSPACE_MAX_COST_USD: &str = "BACKSPACE_MAX_COST_USD";
