//! A tool call without a result, and how it is carried out in a span of its own.

use std::time::Duration;

use domain::span::attributes as key;
use domain::span::names;
use domain::{CallId, Digest256, ExecId, SpanKind, SpanOutcome, StepError, ToolOutcome, TurnNumber};
use jiff::Timestamp;

use crate::context::{Context, OpenSpan, internal};
use crate::tools::{Answer, Progress, Scope, Tool, ToolLimits};
use crate::workspace::{Workspace, WorkspaceError};

/// A call of the last reply that has no result yet.
pub(crate) struct OpenCall {
    pub turn: TurnNumber,
    pub id: CallId,
    /// The name that the model wrote. There may be no such tool.
    pub name: String,
    /// The parsed call, or the error that the model reads instead of a result.
    pub tool: Result<Box<dyn Tool>, String>,
    pub start: CallStart,
}

/// Whether an earlier attempt of the step has started the call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallStart {
    NotStarted,
    /// Started in the current sandbox: it can be joined, or its result can be read.
    StartedHere,
    /// Started in a sandbox that is lost. It is not started again, since how much of it was carried out is
    /// unknown.
    StartedElsewhere,
}

/// The outcome of one attempt at a call.
pub(crate) enum CallEnd {
    /// With the time at which the answer was there.
    Answered(Answer, Timestamp),
    /// The command still runs; the next attempt joins it.
    Running,
    /// The user has to answer this question first.
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

    /// The exec id of the call's command. It depends on turn and call only, so that every attempt finds the same command.
    pub(crate) fn exec_id(&self) -> Result<ExecId, StepError> {
        let digest = Digest256::of(self.id.as_str().as_bytes());
        format!("turn{}-{}", self.turn, &digest.as_str()[..16]).parse().map_err(internal)
    }

    /// Starts or joins the call and waits at most `wait` for its end.
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
        context.end_span(span, outcome);
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
        let mut span = context.start_span(names::tool(&self.name), SpanKind::Internal);
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
