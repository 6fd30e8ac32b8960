//! `bash`: a fresh process per call; working directory and exports are carried over.

use domain::ToolOutcome;
use domain::ports::{Exec, Exit, ExitStatus, Layout, Program, Stderr};
use domain::{ExecId, ToolFailure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ToolLimits;

const SCRIPT: &str = include_str!("bash.sh");

/// So that nothing waits for a terminal, a pager, an editor or an answer.
const ENVIRONMENT: [(&str, &str); 15] = [
    ("CI", "true"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("EDITOR", "true"),
    ("GIT_AUTHOR_EMAIL", "agent@tiny-backspace.invalid"),
    ("GIT_AUTHOR_NAME", "Tiny Backspace"),
    ("GIT_COMMITTER_EMAIL", "agent@tiny-backspace.invalid"),
    ("GIT_COMMITTER_NAME", "Tiny Backspace"),
    ("GIT_EDITOR", "true"),
    ("GIT_PAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("NO_COLOR", "1"),
    ("PAGER", "cat"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("VISUAL", "true"),
];

/// When a pipeline fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipes {
    /// When its last command does, as shells have it.
    Last,
    /// When any of its commands does: for checks, so that `pytest | tail` tells how the tests went.
    Any,
}

impl Pipes {
    fn option(self) -> &'static str {
        match self {
            Self::Last => "+o",
            Self::Any => "-o",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bash {
    #[serde(default)]
    pub command: Option<String>,
    #[serde(default)]
    pub restart: Option<bool>,
}

impl Bash {
    /// `pipes` says whether a pipeline fails when any of its commands does.
    pub(crate) fn exec(
        &self,
        id: ExecId,
        layout: &Layout,
        limits: &ToolLimits,
        pipes: Pipes,
    ) -> Result<Exec, ToolFailure> {
        let mut argv: Vec<String> = Vec::new();
        let mut stdin = Vec::new();
        match (&self.command, self.restart) {
            (_, Some(true)) => {
                argv.extend(["rm", "-f", "--"].map(str::to_owned));
                argv.push(format!("{}/shell", layout.state));
            }
            (Some(command), _) => {
                argv.extend(["bash", "--noprofile", "--norc", "-c", SCRIPT, "bash"].map(str::to_owned));
                argv.push(layout.state.clone());
                argv.push(pipes.option().to_owned());
                stdin.extend_from_slice(command.as_bytes());
            }
            (None, _) => return Err(ToolFailure("bash needs a command, or restart: true".to_owned())),
        }
        Ok(Exec {
            id,
            program: Program::Command(argv),
            stdin,
            environment: ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            secrets: Vec::new(),
            directory: layout.workspace.clone(),
            timeout: limits.command,
            stderr: Stderr::Merged,
            kept_bytes: limits.kept_bytes,
        })
    }

    pub(crate) fn view(&self) -> Value {
        json!({ "command": self.command, "restart": self.restart })
    }

    /// What is said about how the command ended, after its output.
    pub(crate) fn verdict(&self, exit: &Exit, limits: &ToolLimits) -> (ToolOutcome, Option<i32>, String) {
        let mut said = Vec::new();
        let (outcome, code) = match exit.status {
            ExitStatus::Exited(0) => (ToolOutcome::Ok, Some(0)),
            ExitStatus::Exited(code) => {
                said.push(format!("[exit code {code}]"));
                (ToolOutcome::Failed, Some(code))
            }
            ExitStatus::Signalled(signal) => {
                said.push(format!("[ended by signal {signal}]"));
                (ToolOutcome::Failed, Some(128 + signal))
            }
            ExitStatus::TimedOut => {
                said.push(format!(
                    "[killed after {} s, with everything it had started; exports and working directory are as before]",
                    limits.command.as_secs()
                ));
                (ToolOutcome::Failed, None)
            }
            ExitStatus::Killed => {
                said.push("[killed because the run was stopped]".to_owned());
                (ToolOutcome::Failed, None)
            }
        };
        match exit.background_ended {
            0 => {}
            1 => said.push("[1 background process ended with this call]".to_owned()),
            many => said.push(format!("[{many} background processes ended with this call]")),
        }
        if self.restart == Some(true) && outcome == ToolOutcome::Ok {
            said.push("The shell was restarted: working directory and exports are as at the beginning.".to_owned());
        }
        (outcome, code, said.join("\n"))
    }
}
