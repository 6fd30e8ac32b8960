//! Runs the tool calls of one reply.
//!
//! Calls that only read run together, since none can see an effect of another. A call that can write waits for those before
//! it and runs alone: the calls keep the order in which the model wrote them, and the checkpoint after the call holds its
//! effects and no half of another's. The intent of a call is appended before it starts and its result after it.

mod calls;
mod question;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Blobs, Sandboxes, elapsed, store_text};
use domain::state::ReplyState;
use domain::{
    ErrorCode, EventBody, Keep, Step, StepError, StepOutput, ToolKind, ToolResult, ToolStarted, Verdict,
    WorkspaceCheckpointFailed,
};
use serde_json::Value;

use crate::context::{Context, Interruptible, internal};
use crate::invocation::StepHandler;
use crate::network::unrecorded_requests;
use crate::tool_call::{CallEnd, CallStart, OpenCall};
use crate::tools::{Answer, ToolLimits};
use crate::workspace::{Workspace, WorkspaceError, checkpoint, record_loss};
use crate::{instructions, loop_detection, verdicts};

/// Time kept free before the deadline for the checkpoint and the events of a call that has just ended, so that the step answers
/// before its invocation is cut off.
const RESERVE: Duration = Duration::from_secs(45);

/// The step `execute-tool`.
pub struct ExecuteTool {
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Stores checkpoints, and results that are too long for an event.
    pub blobs: Arc<dyn Blobs>,
    pub limits: ToolLimits,
}

struct AnsweredCall {
    call: OpenCall,
    answer: Answer,
    duration: Duration,
}

/// The outcome of calls that ran together.
enum GroupOutcome {
    Answered(Vec<AnsweredCall>),
    /// The time to wait is over. Calls that have not ended continue to run.
    Running,
    /// The step has to stop. These calls may still run.
    Stopped(Vec<OpenCall>),
}

#[async_trait]
impl StepHandler for ExecuteTool {
    fn step(&self) -> Step {
        Step::ExecuteTool
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        let Some(reply) = context.log.state().main.last_reply.clone() else {
            return Ok(StepOutput::new(Verdict::Turn));
        };
        let Some(sandbox) = Workspace::sandbox_of(context.log.state()).cloned() else {
            return Ok(StepOutput::new(Verdict::Prepare));
        };
        let answer = match Workspace::connect(self.sandboxes.as_ref(), &sandbox).await {
            Ok(workspace) => self.run_calls(context, &workspace, &reply).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(output) => Ok(output),
            Err(WorkspaceError::SandboxLost(reason)) => record_loss(context, sandbox.id, reason).await,
            Err(error @ (WorkspaceError::Toolbox(_) | WorkspaceError::Step(_))) => Err(error.into()),
        }
    }
}

impl ExecuteTool {
    async fn run_calls(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        reply: &ReplyState,
    ) -> Result<StepOutput, WorkspaceError> {
        let mut calls = self.open_calls(context, workspace, reply).await?;
        let questions: Vec<OpenCall> = calls.extract_if(.., |call| call.asks_user()).collect();
        let mut touched: Vec<String> = Vec::new();
        while !calls.is_empty() {
            if context.time_left() < RESERVE {
                return Ok(StepOutput::new(Verdict::Tools));
            }
            let group: Vec<OpenCall> = calls.drain(..group_length(&calls)).collect();
            let writes = group.iter().any(OpenCall::writes);
            touched.extend(group.iter().filter_map(|call| call.path().map(str::to_owned)));
            self.record_start(context, workspace, &group).await?;
            let mut bodies = match self.run_group(context, workspace, group).await? {
                GroupOutcome::Answered(answered) => {
                    let mut bodies = unrecorded_requests(context, self.sandboxes.as_ref()).await?;
                    bodies.extend(self.results(context, answered).await?);
                    bodies
                }
                GroupOutcome::Running => return Ok(StepOutput::new(Verdict::Tools)),
                GroupOutcome::Stopped(running) => {
                    return self.stop(context, workspace, reply, &running, writes).await;
                }
            };
            // The checkpoint goes into the same batch as the result, so that every acknowledged write can be restored. If the
            // sandbox is lost before this append, the call has no result and the model reads that it was cut off.
            let failure = match writes {
                true => self.checkpoint(context, workspace, reply, &mut bodies).await?,
                false => None,
            };
            if let Some(failed) = failure {
                context.log.append(bodies).await.map_err(StepError::from)?;
                return Ok(end_with_last_checkpoint(context, failed)?);
            }
            let works_on =
                !calls.is_empty() || !questions.is_empty() || instructions::are_due(context, workspace, &touched);
            if !works_on {
                // One batch with the end of the step, which follows at once: nothing that could fail comes in between.
                let state = context.log.state_after(&bodies).map_err(StepError::from)?;
                context.closing.extend(bodies);
                context.closing.extend(loop_detection::nudge_if_looping(&state));
                return Ok(StepOutput::new(Verdict::Turn));
            }
            context.log.append(bodies).await.map_err(StepError::from)?;
        }
        context.closing.extend(instructions::of_touched(context, workspace, &touched).await?);
        context.closing.extend(loop_detection::nudge_if_looping(context.log.state()));
        self.ask_user(context, workspace, questions).await
    }

    /// Appends the intent of the calls that are about to start.
    async fn record_start(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        group: &[OpenCall],
    ) -> Result<(), StepError> {
        let attempt = context.log.attempt();
        let starting = group.iter().filter(|call| call.start == CallStart::NotStarted && call.tool.is_ok());
        let bodies: Vec<EventBody> = starting
            .map(|call| {
                let (call, turn) = (call.id.clone(), call.turn);
                ToolStarted { turn, call, attempt, sandbox: workspace.id.clone() }.into()
            })
            .collect();
        Ok(context.log.append(bodies).await?)
    }

    async fn run_group(
        &self,
        context: &Context,
        workspace: &Workspace,
        group: Vec<OpenCall>,
    ) -> Result<GroupOutcome, WorkspaceError> {
        let wait = context.time_left().saturating_sub(RESERVE / 2);
        let start = context.common.clock.now();
        let calls = group.iter().map(|call| call.run(context, workspace, &self.limits, wait));
        let ends = match context.run_until_stopped(futures_util::future::join_all(calls)).await {
            Interruptible::Completed(ends) => ends,
            Interruptible::Stopped => return Ok(GroupOutcome::Stopped(group)),
        };
        let mut answered = Vec::with_capacity(group.len());
        for (call, end) in group.into_iter().zip(ends) {
            match end? {
                CallEnd::Answered(answer, at) => {
                    answered.push(AnsweredCall { call, answer, duration: elapsed(start, at) });
                }
                CallEnd::Running => return Ok(GroupOutcome::Running),
                CallEnd::Asks(_) => {
                    return Err(internal("a tool asks the user although its `asks_user` is false").into());
                }
            }
        }
        Ok(GroupOutcome::Answered(answered))
    }

    async fn results(&self, context: &Context, answered: Vec<AnsweredCall>) -> Result<Vec<EventBody>, StepError> {
        let mut bodies: Vec<EventBody> = Vec::new();
        let redactor = &context.common.redactor;
        for AnsweredCall { call, answer, duration } in answered {
            let (tool_kind, view) = match &call.tool {
                Ok(tool) => {
                    let display = tool.display();
                    (display.kind, redactor.redact_json(&display.fields))
                }
                Err(_) => (ToolKind::Other, Value::Null),
            };
            let output = store_text(self.blobs.as_ref(), context.log.session_id(), answer.output).await?;
            bodies.extend(answer.events);
            bodies.push(
                ToolResult {
                    turn: call.turn,
                    call: call.id,
                    tool: call.name,
                    tool_kind,
                    output,
                    outcome: answer.outcome,
                    duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                    exit_code: answer.exit_code,
                    view,
                    wrote: answer.wrote,
                }
                .into(),
            );
        }
        Ok(bodies)
    }

    /// Kills the running calls of a cancelled run. When the cancel keeps the branch, what they wrote until then is stored.
    async fn stop(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        reply: &ReplyState,
        running: &[OpenCall],
        writes: bool,
    ) -> Result<StepOutput, WorkspaceError> {
        // Before the kill: this fails when a newer attempt has taken over, and then the calls are that one's.
        let output = verdicts::stopped(context).await?;
        for call in running {
            workspace.kill(&call.exec_id()?).await?;
        }
        let cancel = context.log.state().run().and_then(|run| run.cancel.clone());
        if writes && cancel.is_some_and(|cancel| cancel.keep == Keep::Branch) {
            let mut bodies = Vec::new();
            if let Some(failed) = self.checkpoint(context, workspace, reply, &mut bodies).await? {
                bodies.push(failed.into());
            }
            context.closing = bodies;
            return Ok(StepOutput::new(Verdict::Publish));
        }
        Ok(output)
    }

    /// Stores a checkpoint and adds the events that record it to `bodies`. The result is the failure to read the workspace.
    async fn checkpoint(
        &self,
        context: &Context,
        workspace: &Workspace,
        reply: &ReplyState,
        bodies: &mut Vec<EventBody>,
    ) -> Result<Option<WorkspaceCheckpointFailed>, WorkspaceError> {
        let latest = context.log.state().checkpoint.as_ref().and_then(|latest| latest.mark.clone());
        let turn = reply.call.turn;
        match checkpoint(context, self.blobs.as_ref(), workspace, turn, latest).await {
            Ok(recorded) => bodies.extend(recorded),
            Err(WorkspaceError::Toolbox(reason)) => {
                let reason = context.common.redactor.redact(&reason).into_owned();
                return Ok(Some(WorkspaceCheckpointFailed { turn, reason }));
            }
            Err(error @ (WorkspaceError::SandboxLost(_) | WorkspaceError::Step(_))) => return Err(error),
        }
        Ok(None)
    }
}

/// Ends the run because the workspace cannot be read: what is stored of it is published.
fn end_with_last_checkpoint(context: &mut Context, failed: WorkspaceCheckpointFailed) -> Result<StepOutput, StepError> {
    if context.log.state().checkpoint.is_none() {
        let message = format!("the workspace could not be read after turn {}: {}", failed.turn, failed.reason);
        return Err(StepError::terminal(ErrorCode::WorkspaceUnreadable, message));
    }
    context.closing.push(failed.into());
    Ok(StepOutput::new(Verdict::Publish))
}

/// How many calls from the front run together: all reads before the first write, or one write.
fn group_length(calls: &[OpenCall]) -> usize {
    calls.iter().position(OpenCall::writes).map_or(calls.len(), |first| first.max(1))
}
