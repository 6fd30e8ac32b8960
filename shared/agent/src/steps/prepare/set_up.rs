//! The set-up of the repository: what its tests need is installed, once in each sandbox, before anything else of it runs.

use std::ops::ControlFlow;
use std::time::Duration;

use domain::ports::elapsed;
use domain::state::SetupStage;
use domain::text::{one_line, shorten};
use domain::{
    CommitId, ExecId, Network, SetupFinished, SetupOutcome, SetupStarted, SpanKind, SpanOutcome, StepOutput, Verdict,
    WorkspacePath,
};
use sandbox_protocol::{ByteRange, Exec, Exit, ExitStatus, Program, Started, Stderr, Stream};

use super::stop::Stop;
use super::{Prepare, RESERVE};
use crate::command_environment::command_environment;
use crate::context::{Context, Interruptible, internal};
use crate::network::unrecorded_requests;
use crate::survey;
use crate::verdicts;
use crate::workspace::{ExecOutcome, HOME_ARCHIVE, MAX_HOME_BYTES, Workspace};

const TIMEOUT: Duration = Duration::from_secs(900);

/// Time between two looks at the end of the set-up's output, and at what it asked of the network.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// Bytes at the end of the output that are stored, and shown to the model when the set-up fails.
const OUTPUT_BYTES: u64 = 4000;

/// Time limit of the archive of the home.
const HOME_TIMEOUT: Duration = Duration::from_secs(120);

const SCRIPT: &str = ".backspace/setup.sh";
const DEVCONTAINERS: [&str; 2] = [".devcontainer/devcontainer.json", ".devcontainer.json"];

/// Maximum length of a script, in bytes: it is one argument of a command.
const MAX_SCRIPT_BYTES: usize = 100_000;
const MAX_COMMAND_CHARACTERS: usize = 200;

/// Is run instead of a script that cannot be, so that whoever reads of the set-up reads why.
const UNUSABLE: &str = "echo 'the script is longer than 100,000 bytes, or no text'; exit 1";

/// What is run, and who asks for it.
#[derive(Debug, PartialEq, Eq)]
struct SetUp {
    source: String,
    /// Shell commands, or a whole script.
    script: String,
    /// The script in one line, for people.
    command: String,
}

impl SetUp {
    fn new(source: impl Into<String>, script: String) -> Self {
        let command = shorten(&one_line(&script), MAX_COMMAND_CHARACTERS).into_owned();
        Self { source: source.into(), script, command }
    }
}

impl Prepare {
    /// Sets the repository up, unless that was done in this sandbox. Its failure is recorded, and the session goes on. Breaks with the
    /// step's answer when it is not over.
    pub(super) async fn set_up(
        &self,
        context: &mut Context,
        workspace: &Workspace,
    ) -> Result<ControlFlow<StepOutput>, Stop> {
        let stage = context.log.state().sandbox.as_ref().and_then(|sandbox| sandbox.setup);
        if stage == Some(SetupStage::Finished) {
            return Ok(ControlFlow::Continue(()));
        }
        let Some(set_up) = self.find_set_up(context, workspace).await? else { return Ok(ControlFlow::Continue(())) };
        if stage.is_none() {
            let redactor = &context.common.redactor;
            let command = redactor.redact(&set_up.command).into_owned();
            let started = SetupStarted { sandbox: workspace.id.clone(), source: set_up.source.clone(), command };
            context.log.append(vec![started.into()]).await?;
        }
        let start = context.common.clock.now();
        let span = context.start_span("sandbox set-up", SpanKind::Client);
        let id: ExecId = "set-up".parse().map_err(internal)?;
        let (outcome, exit) = match workspace.start(exec(&id, &set_up)).await? {
            Started::New | Started::Running => match self.wait_for_set_up(context, workspace, &id).await? {
                ControlFlow::Continue(Some(exit)) => (outcome(&exit), Some(exit)),
                ControlFlow::Continue(None) => (SetupOutcome::CutOff, None),
                ControlFlow::Break(answer) => return Ok(ControlFlow::Break(answer)),
            },
            Started::Finished(exit) => (outcome(&exit), Some(exit)),
            Started::CutOff => (SetupOutcome::CutOff, None),
        };
        let ended = match outcome {
            SetupOutcome::Succeeded => SpanOutcome::Ok,
            SetupOutcome::Failed | SetupOutcome::TimedOut | SetupOutcome::CutOff => {
                SpanOutcome::Error("the set-up did not succeed".to_owned())
            }
        };
        context.end_span(span, ended);
        // Before anything else runs in the workspace: what the set-up left there is no part of the change.
        workspace.settle(context).await?;
        archive_home(workspace).await?;
        let output = workspace.output(&id, Stream::Stdout, ByteRange::Last(OUTPUT_BYTES)).await?;
        let output = String::from_utf8_lossy(&output);
        let wall = exit.as_ref().map_or_else(|| elapsed(start, context.common.clock.now()), |exit| exit.wall);
        let finished = SetupFinished {
            sandbox: workspace.id.clone(),
            outcome,
            exit_code: exit.and_then(|exit| match exit.status {
                ExitStatus::Exited(code) => Some(code),
                ExitStatus::Signalled(_) | ExitStatus::TimedOut | ExitStatus::Killed => None,
            }),
            output: context.common.redactor.redact(output.trim()).into_owned(),
            duration_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        };
        let mut bodies = unrecorded_requests(context, self.sandboxes.as_ref()).await?;
        bodies.push(finished.into());
        context.log.append(bodies).await?;
        Ok(ControlFlow::Continue(()))
    }

    /// What the base commit of the target repository asks for: its own script, its development container's command, or else what the
    /// survey found, for a network that packages can be installed from.
    async fn find_set_up(&self, context: &Context, workspace: &Workspace) -> Result<Option<SetUp>, Stop> {
        let state = context.log.state();
        let Some(base) = &state.base else { return Ok(None) };
        // A follow-up is cloned from the session's own branch, whose files the model may have written.
        let commit: Option<CommitId> = match &state.published_from {
            Some(published_from) => published_from.clone(),
            None => base.commit.clone(),
        };
        let Some(commit) = commit else { return Ok(None) };
        let paths = [SCRIPT].into_iter().chain(DEVCONTAINERS).map(|path| WorkspacePath::try_from(path.to_owned()));
        let paths = paths.collect::<Result<Vec<_>, _>>().map_err(internal)?;
        let contents = self.forge.contents(&base.repository, &commit, &paths).await?;
        let is_script = |text: &String| !text.contains('\0') && text.len() <= MAX_SCRIPT_BYTES;
        // None for a file that is not there; a file that cannot be used is.
        let text = |path: &str| {
            let (_, content) = contents.iter().find(|(found, _)| found.as_str() == path)?;
            Some(String::from_utf8(content.clone()).ok().filter(is_script))
        };
        if let Some(script) = text(SCRIPT) {
            let (command, source) = (format!("bash {SCRIPT}"), SCRIPT.to_owned());
            return Ok(Some(SetUp { command, source, script: script.unwrap_or_else(|| UNUSABLE.to_owned()) }));
        }
        for path in DEVCONTAINERS {
            if let Some(script) = text(path).flatten().and_then(|text| survey::post_create_command(&text)) {
                return Ok(Some(SetUp::new(format!("postCreateCommand in {path}"), script)));
            }
        }
        match context.session().map_err(domain::StepError::from)?.request.network {
            Network::None => Ok(None),
            Network::Registries | Network::Open => {
                let commands = survey::classify(&workspace.survey(context).await?).install_commands;
                Ok((!commands.is_empty()).then(|| SetUp::new("found in the repository", commands.join(" && "))))
            }
        }
    }

    /// Waits for the end of the set-up; none when it was cut off. Breaks with the step's answer.
    async fn wait_for_set_up(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        exec: &ExecId,
    ) -> Result<ControlFlow<StepOutput, Option<Exit>>, Stop> {
        loop {
            match context.run_until_stopped(workspace.wait(exec, PROGRESS_INTERVAL)).await {
                Interruptible::Completed(outcome) => match outcome? {
                    ExecOutcome::Running if context.time_left() > RESERVE => {}
                    ExecOutcome::Running => return Ok(ControlFlow::Break(StepOutput::new(Verdict::Prepare))),
                    ExecOutcome::Finished(exit, _) => return Ok(ControlFlow::Continue(Some(exit))),
                    ExecOutcome::CutOff => return Ok(ControlFlow::Continue(None)),
                },
                Interruptible::Stopped => {
                    // Before the kill: this fails when a newer attempt has taken over, and then the command is that one's.
                    let answer = verdicts::stopped(context).await?;
                    workspace.kill(exec).await?;
                    return Ok(ControlFlow::Break(answer));
                }
            }
            let requests = unrecorded_requests(context, self.sandboxes.as_ref()).await?;
            if !requests.is_empty() {
                context.log.append(requests).await?;
            }
        }
    }
}

/// Archives the home as the set-up left it, for the checks of the change: what the model's commands leave there later must not count.
/// Without an archive the checks are not run.
async fn archive_home(workspace: &Workspace) -> Result<(), Stop> {
    let argv = ["/bin/tar", "--create", "--directory", &workspace.layout().home, "--file=-", "."];
    let exec = Exec {
        timeout: HOME_TIMEOUT,
        kept_bytes: MAX_HOME_BYTES,
        ..Exec::new(HOME_ARCHIVE, Program::Command(argv.map(str::to_owned).to_vec()))
    };
    Ok(workspace.run(exec, &[], HOME_TIMEOUT, 0).await.map(drop)?)
}

fn exec(id: &ExecId, set_up: &SetUp) -> Exec {
    // The script is an argument, so that the shell gets it as it stands in the base commit, whatever is in the workspace.
    let argv = ["/bin/bash", "-c", &set_up.script, SCRIPT].map(str::to_owned).to_vec();
    Exec {
        environment: command_environment(),
        timeout: TIMEOUT,
        stderr: Stderr::Merged,
        ..Exec::new(id.as_str(), Program::Command(argv))
    }
}

fn outcome(exit: &Exit) -> SetupOutcome {
    match exit.status {
        ExitStatus::Exited(0) => SetupOutcome::Succeeded,
        ExitStatus::TimedOut => SetupOutcome::TimedOut,
        ExitStatus::Exited(_) | ExitStatus::Signalled(_) | ExitStatus::Killed => SetupOutcome::Failed,
    }
}
