//! Runs each package manager once, outside any repository and through a proxy that records what it asks for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use domain::text::{first_line, one_line, shorten};
use egress::{Internet, Policy, Proxy, Refusal, RequestLog, Target};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::package_tools::{Form, PACKAGE_TOOLS, PackageTool, Setting};
use super::registries::RecordedTool;
use crate::settings::HostEnvironment;

/// Time for one package manager.
const MAX_TIME: Duration = Duration::from_secs(60);
/// Time for the question after its version or a setting.
const MAX_QUESTION_TIME: Duration = Duration::from_secs(15);

const MAX_PROBLEM_CHARACTERS: usize = 300;

/// Runs all that are present, side by side.
pub(super) async fn record(directory: &Path, host: &HostEnvironment) -> io::Result<Vec<RecordedTool>> {
    let mut recordings = Vec::new();
    for tool in PACKAGE_TOOLS {
        if let Some(program) = tool.programs.iter().find_map(|name| host.find_program(name)) {
            let own = directory.join(tool.name);
            fs::create_dir_all(&own)?;
            recordings.push(Recording { tool, program, directory: own, host }.record());
        }
    }
    let recorded = futures_util::future::join_all(recordings).await.into_iter().collect();
    remove(directory)?;
    recorded
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

struct Recording<'a> {
    tool: &'a PackageTool,
    program: PathBuf,
    directory: PathBuf,
    host: &'a HostEnvironment,
}

impl Recording<'_> {
    async fn record(self) -> io::Result<RecordedTool> {
        self.furnish()?;
        let version = self.ask(&["--version"]).await;
        let version = shorten(&one_line(first_line(&version)), MAX_PROBLEM_CHARACTERS).into_owned();
        let log = self.directory.with_extension("log");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = format!("http://{}", listener.local_addr()?);
        let served = Proxy::new(Policy::Open, Arc::new(Internet), RequestLog::open(&log)?);
        // Dropped, and the proxy with it, when the package manager has ended.
        let mut serving = JoinSet::new();
        serving.spawn(served.serve(listener));
        let mut problem = self.fetch(&proxy).await.err();
        drop(serving);
        let mut hosts: Vec<Target> = Vec::new();
        for entry in egress::entries(&log, 0)? {
            match entry.refused {
                // What cannot be resolved now may be later.
                None | Some(Refusal::Unresolved) => hosts.push(entry.target),
                Some(Refusal::NotTls | Refusal::OtherServerName) => {}
                Some(refusal) => {
                    problem = Some(format!("{} is out of reach of every sandbox: {refusal}", entry.target))
                }
            }
        }
        let mut settings = Vec::new();
        for setting in self.tool.settings {
            match self.setting(setting).await {
                Ok(value) => settings.extend(value.map(|value| (setting.variable.to_owned(), value))),
                Err(secret) => problem = Some(secret),
            }
        }
        Ok(RecordedTool { name: self.tool.name.to_owned(), version, hosts, settings, problem })
    }

    /// Puts the files where the package manager looks for them.
    fn furnish(&self) -> io::Result<()> {
        for (name, content) in self.tool.files {
            fs::write(self.directory.join(name), content)?;
        }
        if let Some(copied) = &self.tool.copied {
            let to = self.directory.join(copied.to);
            fs::create_dir_all(&to)?;
            let from = self.host.directory(copied.variable);
            let from = from.or_else(|| Some(self.host.home()?.join(copied.below_home)));
            for name in copied.names {
                if let Some(content) = from.as_ref().and_then(|from| fs::read(from.join(name)).ok()) {
                    fs::write(to.join(name), content)?;
                }
            }
        }
        Ok(())
    }

    /// Has it fetch its package. The error says in a sentence why it did not.
    async fn fetch(&self, proxy: &str) -> Result<(), String> {
        let mut command = self.command(self.tool.fetch);
        for name in
            ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "npm_config_proxy", "npm_config_https_proxy"]
        {
            command.env(name, proxy);
        }
        let java = proxy.trim_start_matches("http://").split_once(':').map(|(host, port)| {
            format!("-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port}")
        });
        command.env("MAVEN_OPTS", java.unwrap_or_default());
        // A group of its own, which ends as a whole: package managers start others.
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("it cannot be run: {error}"))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let ended = timeout(MAX_TIME, child.wait_with_output()).await;
        if let (Err(_), Some(group)) = (&ended, group) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let output = match ended {
            Err(_) => return Err(format!("it did not end within {} s", MAX_TIME.as_secs())),
            Ok(Err(error)) => return Err(format!("it cannot be run: {error}")),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let said = without_colours(&said);
        // The first line may only say that something follows.
        let is_error = |line: &&str| line.to_ascii_lowercase().contains("err");
        let line = said.lines().find(is_error).unwrap_or_else(|| first_line(&said));
        let line = if line.is_empty() { "it failed without a word" } else { line };
        Err(shorten(&one_line(line), MAX_PROBLEM_CHARACTERS).into_owned())
    }

    /// A setting of the user's. The error says that it cannot be passed on.
    async fn setting(&self, setting: &Setting) -> Result<Option<String>, String> {
        let printed = self.ask(setting.arguments).await;
        let value = match setting.form {
            Form::Value => printed.lines().next().map(str::trim),
            Form::Named(name) => printed.lines().find_map(|line| {
                let (full_name, value) = line.split_once('=')?;
                let is_it = full_name.rsplit('.').next() == Some(name);
                is_it.then(|| value.trim().trim_matches('\''))
            }),
        };
        let Some(value) = value.filter(|value| !value.is_empty() && *value != "undefined") else { return Ok(None) };
        if value.split([',', '|', ' ']).any(has_credentials) {
            return Err(format!("its setting for {} contains credentials, which no sandbox gets", setting.variable));
        }
        Ok(Some(value.to_owned()))
    }

    /// What it prints; nothing when it fails.
    async fn ask(&self, arguments: &[&str]) -> String {
        let output = timeout(MAX_QUESTION_TIME, self.command(arguments).output()).await;
        match output {
            Ok(Ok(output)) if output.status.success() => without_colours(&String::from_utf8_lossy(&output.stdout)),
            Ok(_) | Err(_) => String::new(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let place = self.directory.display().to_string();
        let filled = |text: &str| text.replace("{directory}", &place);
        let mut command = Command::new(&self.program);
        command.args(arguments.iter().map(|argument| filled(argument)));
        command.env_clear().envs(self.host.variables());
        command.envs(self.tool.environment.iter().map(|(name, value)| (*name, filled(value))));
        command.current_dir(&self.directory).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// A text without the sequences by which terminals choose colours: some programs print them to everybody.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let rest = piece.trim_start_matches(|character: char| character.is_ascii_digit() || character == ';');
        text + rest.strip_prefix('m').unwrap_or(rest)
    })
}

/// Whether an address contains a user or a password.
fn has_credentials(address: &str) -> bool {
    address
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@')))
}
