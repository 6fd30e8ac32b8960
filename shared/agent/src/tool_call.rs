//! A tool call of a reply: how far it has come, and carrying it out under a span of its own.

use std::time::Duration;

use domain::span::attributes as key;
use domain::span::names;
use domain::{CallId, Digest256, ExecId, SpanKind, SpanOutcome, StepError, ToolOutcome, TurnNumber};
use jiff::Timestamp;

use crate::context::{Context, OpenSpan, internal};
use crate::tools::{Answer, Progress, Scope, Tool, ToolLimits};
use crate::workspace::{Workspace, WorkspaceError};

/// A call of the reply that has no result.
pub(crate) struct OpenCall {
    pub turn: TurnNumber,
    pub id: CallId,
    /// The tool's name as the model wrote it, which may be none of ours.
    pub name: String,
    /// The call as it was understood, or what the model reads instead of a result.
    pub tool: Result<Box<dyn Tool>, String>,
    pub start: CallStart,
}

/// Whether an earlier attempt of the step has started a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallStart {
    NotStarted,
    /// Started in the sandbox that is there now: it can be joined, or its result read.
    StartedHere,
    /// Started in a sandbox that is gone.
    StartedElsewhere,
}

/// What became of a call.
pub(crate) enum CallEnd {
    /// It has this answer since then.
    Answered(Answer, Timestamp),
    /// It still runs.
    Running,
    /// It is answered when the user has answered this question.
    Asks(String),
}

impl OpenCall {
    pub(crate) fn writes(&self) -> bool {
        self.tool.as_ref().is_ok_and(|tool| tool.writes())
    }

    pub(crate) fn asks_user(&self) -> bool {
        self.tool.as_ref().is_ok_and(|tool| tool.asks_user())
    }

    pub(crate) fn path(&self) -> Option<&str> {
        self.tool.as_ref().ok()?.path()
    }

    /// The name of the call's command in the sandbox: the same for every attempt.
    pub(crate) fn exec_id(&self) -> Result<ExecId, StepError> {
        let digest = Digest256::of(self.id.as_str().as_bytes());
        format!("turn{}-{}", self.turn, &digest.as_str()[..16]).parse().map_err(internal)
    }

    /// Carries the call out. Waits at most `wait` for its end.
    pub(crate) async fn run(
        &self,
        context: &Context,
        workspace: &Workspace,
        limits: &ToolLimits,
        wait: Duration,
    ) -> Result<CallEnd, WorkspaceError> {
        let mut span = self.span(context);
        let scope = Scope { context, workspace, limits, exec: self.exec_id()?, wait };
        let result = self.answer(&scope).await;
        let outcome = match &result {
            Ok(Progress::Answered(answer)) => {
                if let Some(code) = answer.exit_code {
                    span.attributes.insert(key::EXIT_CODE, domain::AttributeValue::Integer(code.into()));
                }
                match answer.outcome {
                    ToolOutcome::Ok => SpanOutcome::Ok,
                    ToolOutcome::Failed => SpanOutcome::Error("the tool failed".to_owned()),
                    ToolOutcome::CutOff => SpanOutcome::Error("cut off".to_owned()),
                }
            }
            Ok(Progress::Running | Progress::Asks(_)) => SpanOutcome::Ok,
            Err(_) => SpanOutcome::Error("the sandbox failed".to_owned()),
        };
        context.end(span, outcome);
        Ok(match result? {
            Progress::Answered(answer) => CallEnd::Answered(answer, context.common.clock.now()),
            Progress::Running => CallEnd::Running,
            Progress::Asks(question) => CallEnd::Asks(question),
        })
    }

    async fn answer(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        match &self.tool {
            Err(reason) => Ok(Answer::failed(scope.redacted(reason)).into()),
            Ok(_) if self.start == CallStart::StartedElsewhere => Ok(Answer::cut_off().into()),
            Ok(tool) => tool.run(scope).await,
        }
    }

    fn span(&self, context: &Context) -> OpenSpan {
        let mut span = context.span(names::tool(&self.name), SpanKind::Internal);
        let session = context.log.session_id().as_str();
        span.attributes.extend([
            (key::OPERATION, "execute_tool".into()),
            (key::TOOL_NAME, self.name.clone().into()),
            (key::TOOL_TYPE, "function".into()),
            (key::TOOL_CALL, self.id.as_str().into()),
            (key::TURN, self.turn.0.into()),
            (key::SESSION, session.into()),
            (key::CONVERSATION, session.into()),
            (key::OPENINFERENCE_KIND, "TOOL".into()),
            (key::LANGSMITH_KIND, "tool".into()),
        ]);
        span
    }
}
