//! One tool call: from its input to what the model reads.

use std::time::Duration;

use domain::ports::{ByteRange, ExitStatus, Stream};
use domain::span::attributes as key;
use domain::span::names;
use domain::{Digest256, ExecId, SpanKind, SpanOutcome, StepError, ToolOutcome};
use jiff::Timestamp;

use crate::context::{Context, internal};
use crate::cut;
use crate::steps::{CallProgress, OpenCall};
use crate::survey;
use crate::tools::{Answer, Bash, Pipes, Tool, ToolLimits, record_decision};
use crate::workspace::{ExecOutcome, Workspace, WorkspaceError};

/// Runs tool calls.
pub(crate) struct RunTool<'a> {
    pub context: &'a Context,
    pub workspace: &'a Workspace,
    pub limits: &'a ToolLimits,
    /// The longest to wait for a call's end.
    pub up_to: Duration,
}

/// What became of a call.
pub(crate) enum Outcome {
    /// It has a result since then.
    Answered(Answer, Timestamp),
    /// It goes on.
    Running,
}

impl RunTool<'_> {
    /// The name of a call's command in the sandbox: the same for every attempt.
    pub(crate) fn exec_id(call: &OpenCall) -> Result<ExecId, StepError> {
        let digest = Digest256::of(call.id.as_str().as_bytes());
        format!("turn{}-{}", call.turn, &digest.as_str()[..16]).parse().map_err(internal)
    }

    pub(crate) async fn run(&self, call: &OpenCall) -> Result<Outcome, WorkspaceError> {
        let mut span = self.context.span(names::tool(&call.name), SpanKind::Internal);
        let session = self.context.log.session_id().as_str();
        span.attributes.extend([
            (key::OPERATION, "execute_tool".into()),
            (key::TOOL_NAME, call.name.clone().into()),
            (key::TOOL_TYPE, "function".into()),
            (key::TOOL_CALL, call.id.as_str().into()),
            (key::TURN, call.turn.0.into()),
            (key::SESSION, session.into()),
            (key::CONVERSATION, session.into()),
            (key::OPENINFERENCE_KIND, "TOOL".into()),
            (key::LANGSMITH_KIND, "tool".into()),
        ]);
        let result = self.answer(call).await;
        let outcome = match &result {
            Ok(Some(answer)) => {
                if let Some(code) = answer.exit_code {
                    span.attributes.insert(key::EXIT_CODE, domain::AttributeValue::Integer(code.into()));
                }
                match answer.outcome {
                    ToolOutcome::Ok => SpanOutcome::Ok,
                    ToolOutcome::Failed => SpanOutcome::Error("the tool failed".to_owned()),
                    ToolOutcome::CutOff => SpanOutcome::Error("cut off".to_owned()),
                }
            }
            Ok(None) => SpanOutcome::Ok,
            Err(_) => SpanOutcome::Error("the sandbox failed".to_owned()),
        };
        self.context.end(span, outcome);
        Ok(match result? {
            Some(answer) => Outcome::Answered(answer, self.context.common.clock.now()),
            None => Outcome::Running,
        })
    }

    async fn answer(&self, call: &OpenCall) -> Result<Option<Answer>, WorkspaceError> {
        let tool = match &call.tool {
            Ok(tool) => tool,
            Err(reason) => return Ok(Some(Answer::failed(self.redacted(reason)))),
        };
        if call.state == CallProgress::StartedElsewhere {
            return Ok(Some(Answer::cut_off()));
        }
        let id = Self::exec_id(call)?;
        match tool {
            Tool::UpdateTodos(todos) => Ok(Some(todos.clone().answer())),
            Tool::RecordDecision(decision) => Ok(Some(record_decision(decision))),
            // Asked by the step itself, after all others.
            Tool::AskUser(_) => Ok(None),
            Tool::Bash(bash) => self.bash(id, bash).await,
            Tool::Edit(edit) => self.toolbox(id, edit.call(self.limits)).await,
            Tool::Glob(glob) => self.toolbox(id, glob.call()).await,
            Tool::Grep(grep) => self.toolbox(id, grep.call()).await,
        }
    }

    async fn toolbox(&self, id: ExecId, call: toolbox::Call) -> Result<Option<Answer>, WorkspaceError> {
        let exec = self.workspace.toolbox_exec(id, call, self.limits.toolbox)?;
        let exit = match self.workspace.run(&exec, self.up_to).await? {
            ExecOutcome::Running => return Ok(None),
            ExecOutcome::CutOff => return Ok(Some(Answer::cut_off())),
            ExecOutcome::Finished(exit) => exit,
        };
        match exit.status {
            ExitStatus::TimedOut => {
                let seconds = self.limits.toolbox.as_secs();
                return Ok(Some(Answer::failed(format!("The call took more than {seconds} s and was ended."))));
            }
            ExitStatus::Killed => return Ok(Some(Answer::failed("The call was ended because the run was stopped."))),
            ExitStatus::Exited(_) | ExitStatus::Signalled(_) => {}
        }
        let answer = match self.workspace.toolbox_answer(&exec.id, &exit).await? {
            Ok(answer) => Answer::ok(self.redacted(text(&answer)?)),
            Err(failure) => Answer::failed(self.redacted(&failure.message)),
        };
        Ok(Some(answer))
    }

    async fn bash(&self, id: ExecId, bash: &Bash) -> Result<Option<Answer>, WorkspaceError> {
        let exec = match bash.exec(id, &self.workspace.layout, self.limits, self.pipes(bash)) {
            Ok(exec) => exec,
            Err(failure) => return Ok(Some(Answer::failed(failure.0))),
        };
        let exit = match self.workspace.run(&exec, self.up_to).await? {
            ExecOutcome::Running => return Ok(None),
            ExecOutcome::CutOff => return Ok(Some(Answer::cut_off())),
            ExecOutcome::Finished(exit) => exit,
        };
        let mut output = self.said(&exec.id, exit.stdout_bytes).await?;
        let (outcome, exit_code, verdict) = bash.verdict(&exit, self.limits);
        if !verdict.is_empty() {
            if !output.is_empty() && !output.ends_with('\n') {
                output.push('\n');
            }
            output.push_str(&verdict);
        }
        Ok(Some(Answer { output, outcome, exit_code, todos: None, decision: None }))
    }

    fn pipes(&self, bash: &Bash) -> Pipes {
        let surveyed = self.context.log.state().survey.as_ref();
        let check = surveyed
            .zip(bash.command.as_deref())
            .is_some_and(|(surveyed, command)| survey::is_check(command, &surveyed.survey));
        if check { Pipes::Any } else { Pipes::Last }
    }

    /// What a command said: whole when it is short, otherwise its beginning and its end.
    async fn said(&self, id: &ExecId, bytes: u64) -> Result<String, WorkspaceError> {
        let most = self.limits.output_characters;
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        if length <= most {
            let said = self.workspace.output(id, Stream::Stdout, ByteRange::From(0, length)).await?;
            return Ok(self.redacted(&String::from_utf8_lossy(&said)));
        }
        let head = self.workspace.output(id, Stream::Stdout, ByteRange::From(0, most / 2)).await?;
        let tail = self.workspace.output(id, Stream::Stdout, ByteRange::Last(most / 2)).await?;
        let kept = format!("{}/{id}/stdout", self.workspace.layout.outputs);
        Ok(cut::middle(&self.context.common.redactor, &head, &tail, bytes, self.limits.kept_bytes, &kept))
    }

    fn redacted(&self, text: &str) -> String {
        self.context.common.redactor.redact(text).into_owned()
    }
}

/// What the model reads of an answer.
fn text(answer: &toolbox::Answer) -> Result<&str, WorkspaceError> {
    match answer {
        toolbox::Answer::View(viewed) => Ok(&viewed.text),
        toolbox::Answer::Create(edited) | toolbox::Answer::StrReplace(edited) | toolbox::Answer::Insert(edited) => {
            Ok(&edited.text)
        }
        toolbox::Answer::Glob(globbed) => Ok(&globbed.text),
        toolbox::Answer::Grep(grepped) => Ok(&grepped.text),
        toolbox::Answer::Survey(_)
        | toolbox::Answer::Instructions(_)
        | toolbox::Answer::Baseline(_)
        | toolbox::Answer::Collect(_)
        | toolbox::Answer::Restore(_)
        | toolbox::Answer::Diff(_)
        | toolbox::Answer::Rebase(_) => {
            Err(WorkspaceError::Step(internal("the toolbox answered a tool with something else")))
        }
    }
}
