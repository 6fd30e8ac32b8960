//! `bash`: runs a command. Each call is a new process; `bash.sh` carries the working directory and exported variables over.

use async_trait::async_trait;
use domain::text::first_line;
use domain::{ToolKind, ToolOutcome};
use sandbox_protocol::{Exec, Exit, ExitStatus, LimitReached, Program, Stderr};
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Answer, Display, Progress, Scope, Tool};
use super::{bash_output, exit_code};
use crate::command_environment::command_environment;
use crate::workspace::{ExecOutcome, WorkspaceError};

const SCRIPT: &str = include_str!("bash.sh");

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bash {
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    restart: Option<bool>,
}

#[async_trait]
impl Tool for Bash {
    fn name() -> &'static str {
        "bash"
    }

    /// A built-in tool of the Messages API: its type stands for the schema.
    fn schema() -> Value {
        json!({ "type": "bash_20250124", "name": Self::name() })
    }

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": { "command": { "type": "string" }, "restart": { "type": "boolean" } }
        })
    }

    fn writes(&self) -> bool {
        true
    }

    fn display(&self) -> Display {
        let title = match &self.command {
            Some(command) => {
                let first = first_line(command);
                // The ellipsis shows that more lines follow.
                let more = if first.len() < command.trim().len() { " …" } else { "" };
                format!("Bash {first}{more}")
            }
            None => "Bash restart".to_owned(),
        };
        let fields = json!({ "command": self.command, "restart": self.restart });
        Display { kind: ToolKind::Bash, title, fields }
    }

    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        let Some((exec, input)) = self.exec(scope) else {
            return Ok(Answer::failed("bash needs a command, or restart: true").into());
        };
        if input.contains(&0) {
            return Ok(Answer::failed("a command cannot contain a NUL byte").into());
        }
        let head_bytes = scope.limits.output_characters as u64;
        let (exit, head) = match scope.workspace.run(exec, input, scope.wait, head_bytes).await? {
            ExecOutcome::Running => return Ok(Progress::Running),
            ExecOutcome::CutOff => return Ok(Answer::cut_off().into()),
            ExecOutcome::Finished(exit, head) => (exit, head),
        };
        let mut output = bash_output::read(scope, &head, exit.stdout_bytes).await?;
        let (outcome, exit_code, ending) = self.ending(&exit, scope);
        if !ending.is_empty() {
            if !output.is_empty() && !output.ends_with('\n') {
                output.push('\n');
            }
            output.push_str(&ending);
        }
        let is_answer = self.command.as_deref().zip(exit_code).is_some_and(exit_code::is_answer);
        let outcome = if is_answer { ToolOutcome::Ok } else { outcome };
        Ok(Answer { outcome, exit_code, ..Answer::ok(output) }.into())
    }
}

impl Bash {
    /// The command as the sandbox runs it, with its standard input: the model's text, which is never part of a command line.
    /// None when the call has neither a command nor `restart`.
    fn exec(&self, scope: &Scope<'_>) -> Option<(Exec, &[u8])> {
        let shell = format!("{}/.shell", scope.workspace.layout().home);
        let mut argv: Vec<String> = Vec::new();
        let input: &[u8] = match (&self.command, self.restart) {
            (_, Some(true)) => {
                argv.extend(["rm", "-f", "--"].map(str::to_owned));
                argv.push(shell);
                &[]
            }
            (Some(command), _) => {
                argv.extend(["bash", "--noprofile", "--norc", "-c", SCRIPT, "bash"].map(str::to_owned));
                argv.push(shell);
                command.as_bytes()
            }
            (None, _) => return None,
        };
        let exec = Exec {
            environment: command_environment(),
            timeout: scope.limits.command,
            stderr: Stderr::Merged,
            kept_bytes: scope.limits.kept_bytes,
            ..Exec::new(scope.exec.as_str(), Program::Command(argv))
        };
        Some((exec, input))
    }

    /// Outcome, exit code, and the notes on them that follow the output.
    fn ending(&self, exit: &Exit, scope: &Scope<'_>) -> (ToolOutcome, Option<i32>, String) {
        let mut notes = Vec::new();
        let (outcome, code) = match exit.status {
            ExitStatus::Killed if exit.limit.is_some() => (ToolOutcome::Failed, None),
            ExitStatus::Exited(0) => (ToolOutcome::Ok, Some(0)),
            ExitStatus::Exited(code) => {
                notes.push(format!("[exit code {code}]"));
                (ToolOutcome::Failed, Some(code))
            }
            ExitStatus::Signalled(signal) => {
                notes.push(format!("[ended by signal {signal}]"));
                (ToolOutcome::Failed, Some(128 + signal))
            }
            ExitStatus::TimedOut => {
                notes.push(format!(
                    "[killed after {} s, with all processes it had started; exports and working directory are as before]",
                    scope.limits.command.as_secs()
                ));
                (ToolOutcome::Failed, None)
            }
            ExitStatus::Killed => {
                notes.push("[killed because the run was cancelled]".to_owned());
                (ToolOutcome::Failed, None)
            }
        };
        notes.extend(exit.limit.map(|limit| limit_reached(limit).to_owned()));
        match exit.background_ended {
            0 => {}
            1 => notes.push("[1 background process ended with this call]".to_owned()),
            many => notes.push(format!("[{many} background processes ended with this call]")),
        }
        if self.restart == Some(true) && outcome == ToolOutcome::Ok {
            notes.push("The shell was restarted: working directory and exports are reset.".to_owned());
        }
        (outcome, code, notes.join("\n"))
    }
}

fn limit_reached(limit: LimitReached) -> &'static str {
    match limit {
        LimitReached::Memory => "[limit reached: the memory of all commands together; what used most of it was killed]",
        LimitReached::Sockets => "[limit reached: too many sockets were open; the command was killed]",
        LimitReached::DiskSpace => {
            "[limit reached: disk space of workspace, home and temporary files; the command was killed. Delete what is not \
             needed]"
        }
        LimitReached::DiskFiles => {
            "[limit reached: number of files in workspace, home and temporary directory; the command was killed. Delete \
             what is not needed]"
        }
        LimitReached::ProcessorTime => "[limit reached: processor time of a process]",
        LimitReached::FileSize => "[limit reached: size of a file]",
    }
}
