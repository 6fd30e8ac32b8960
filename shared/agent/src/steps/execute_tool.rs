//! The tool calls of one reply.
//!
//! Calls that only read run together; a call that can write waits for those before it and runs alone. Every call has its
//! intent in the log before it starts and its result after it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Blobs, Sandboxes, elapsed, load_text, store_text};
use domain::state::ReplyState;
use domain::{
    ContentBlock, EventBody, Keep, Step, StepError, StepOutput, StopReason, ToolKind, ToolOutcome, ToolResult,
    ToolStarted, Verdict, WaitReason, transcript,
};
use serde_json::Value;

use crate::context::{Context, Watched, internal};
use crate::invocation::StepHandler;
use crate::tool_call::{CallEnd, CallStart, OpenCall};
use crate::tools::{Answer, ToolLimits, read_call};
use crate::workspace::{Workspace, WorkspaceError, checkpoint};
use crate::{instructions, loop_detection, verdicts};

/// Kept back of the deadline: for the checkpoint and for what has to be written.
const RESERVE: Duration = Duration::from_secs(45);

/// The step `execute-tool`.
pub struct ExecuteTool {
    /// Where the calls run.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Where long results and checkpoints are kept.
    pub blobs: Arc<dyn Blobs>,
    /// Limits on time and output.
    pub limits: ToolLimits,
}

/// A call with what became of it.
struct Answered {
    call: OpenCall,
    answer: Answer,
    duration: Duration,
}

/// What became of calls that ran together.
enum Group {
    Answered(Vec<Answered>),
    /// There was no time to wait for the end; the calls go on.
    Running,
    /// The run is to stop; these calls may go on.
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
        let Some(workspace) = Workspace::of(context.log.state(), &self.sandboxes) else {
            return Ok(StepOutput::new(Verdict::Prepare));
        };
        match self.run_calls(context, &workspace, &reply).await {
            Ok(output) => Ok(output),
            Err(WorkspaceError::SandboxLost(reason)) => workspace.lost(context, reason).await,
            Err(WorkspaceError::Step(error)) => Err(error),
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
            self.announce(context, workspace, &group).await?;
            let mut bodies = match self.run_group(context, workspace, group).await? {
                Group::Answered(answered) => self.results(context, answered).await?,
                Group::Running => return Ok(StepOutput::new(Verdict::Tools)),
                Group::Stopped(running) => return self.stop(context, workspace, reply, &running, writes).await,
            };
            // What was written is kept in the same batch in which it is acknowledged: a sandbox that is lost before that
            // leaves the call open, and it is told to the model as cut off.
            if writes {
                bodies.extend(self.checkpoint(context, workspace, reply).await?);
            }
            context.log.append(bodies).await.map_err(StepError::from)?;
        }
        context.closing.extend(instructions::of_touched(context, workspace, &touched).await?);
        context.closing.extend(loop_detection::nudge(context.log.state()));
        self.ask(context, workspace, questions).await
    }

    /// The calls of the reply that have no result, with their input as the model gave it.
    async fn open_calls(
        &self,
        context: &Context,
        workspace: &Workspace,
        reply: &ReplyState,
    ) -> Result<Vec<OpenCall>, StepError> {
        let over = reply.run != context.input.run;
        let text = load_text(self.blobs.as_ref(), context.log.session_id(), &reply.message).await?;
        let blocks = transcript::reply_blocks(&text).map_err(internal)?;
        let last = blocks.len().saturating_sub(1);
        let mut open = Vec::new();
        for (place, block) in blocks.into_iter().enumerate() {
            let ContentBlock::ToolUse { id, name, input } = block else { continue };
            let Some(state) = reply.calls.iter().find(|call| call.id == id && call.outcome.is_none()) else { continue };
            let tool = if reply.stop == StopReason::MaxTokens && place == last {
                Err("The call was cut off because the reply became too long, and was not run. Write it in smaller pieces."
                    .to_owned())
            } else if over && state.started_in.is_none() {
                // It was meant for a run that is over, and what was said since may have made it wrong.
                Err("This call was not run: the run it belonged to ended before. Decide anew whether it is needed."
                    .to_owned())
            } else {
                read_call(&name, &input).map_err(|failure| failure.0)
            };
            let start = match &state.started_in {
                None => CallStart::NotStarted,
                Some(sandbox) if *sandbox == workspace.id => CallStart::StartedHere,
                Some(_) => CallStart::StartedElsewhere,
            };
            open.push(OpenCall { turn: reply.call.turn, id, name, tool, start });
        }
        Ok(open)
    }

    /// Writes the intent of the calls that are about to start.
    async fn announce(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        group: &[OpenCall],
    ) -> Result<(), StepError> {
        let attempt = context.log.attempt();
        let started = group.iter().filter(|call| call.start == CallStart::NotStarted && call.tool.is_ok());
        let bodies: Vec<EventBody> = started
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
    ) -> Result<Group, WorkspaceError> {
        let wait = context.time_left().saturating_sub(RESERVE / 2);
        let started = context.common.clock.now();
        let calls = group.iter().map(|call| call.run(context, workspace, &self.limits, wait));
        let ends = match context.until_cancelled(futures_util::future::join_all(calls)).await {
            Watched::Done(ends) => ends,
            Watched::Stopped => return Ok(Group::Stopped(group)),
        };
        let mut answered = Vec::with_capacity(group.len());
        for (call, end) in group.into_iter().zip(ends) {
            match end? {
                CallEnd::Answered(answer, at) => {
                    answered.push(Answered { call, answer, duration: elapsed(started, at) });
                }
                CallEnd::Running => return Ok(Group::Running),
                CallEnd::Asks(_) => {
                    return Err(internal("a tool asks the user that did not say that it would").into());
                }
            }
        }
        Ok(Group::Answered(answered))
    }

    async fn results(&self, context: &Context, answered: Vec<Answered>) -> Result<Vec<EventBody>, StepError> {
        let mut bodies: Vec<EventBody> = Vec::new();
        let redactor = &context.common.redactor;
        for Answered { call, answer, duration } in answered {
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
                    check: answer.check,
                }
                .into(),
            );
        }
        Ok(bodies)
    }

    /// The run is cancelled while calls run. What was done so far is kept when its branch is.
    async fn stop(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        reply: &ReplyState,
        running: &[OpenCall],
        writes: bool,
    ) -> Result<StepOutput, WorkspaceError> {
        // Where a newer attempt has taken over, the calls are its own by now.
        let output = verdicts::stopped(context).await?;
        for call in running {
            workspace.kill(&call.exec_id()?).await?;
        }
        let cancel = context.log.state().run().and_then(|run| run.cancel.clone());
        if writes && cancel.is_some_and(|cancel| cancel.keep == Keep::Branch) {
            context.closing = self.checkpoint(context, workspace, reply).await?;
            return Ok(StepOutput::new(Verdict::Publish));
        }
        Ok(output)
    }

    async fn checkpoint(
        &self,
        context: &Context,
        workspace: &Workspace,
        reply: &ReplyState,
    ) -> Result<Vec<EventBody>, WorkspaceError> {
        let unless = context.log.state().checkpoint.as_ref().map(|latest| latest.digest.clone());
        checkpoint(context, self.blobs.as_ref(), workspace, reply.call.turn, unless).await
    }

    /// After everything else the user is asked, when the reply asks.
    async fn ask(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        questions: Vec<OpenCall>,
    ) -> Result<StepOutput, WorkspaceError> {
        let mut questions = questions.into_iter();
        let Some(first) = questions.next() else { return Ok(StepOutput::new(Verdict::Turn)) };
        for more in questions {
            let output = "Only one question is asked at a time. Ask again if it is still open.";
            context.closing.push(unasked(&more, output).into());
        }
        if context.log.state().main.open_calls().any(|call| call.id == first.id && call.unanswered) {
            let output = "Nobody answered in time. Decide yourself, and say so at the end.";
            context.closing.push(unasked(&first, output).into());
            return Ok(StepOutput::new(Verdict::Turn));
        }
        let wait = context.time_left().saturating_sub(RESERVE / 2);
        match first.run(context, workspace, &self.limits, wait).await? {
            CallEnd::Asks(question) => {
                Ok(verdicts::ask_user(context, WaitReason::Question { call: first.id.clone(), question }))
            }
            CallEnd::Answered(answer, _) => {
                context.closing.push(unasked(&first, &answer.output).into());
                Ok(StepOutput::new(Verdict::Turn))
            }
            CallEnd::Running => Ok(StepOutput::new(Verdict::Tools)),
        }
    }
}

/// How many calls from the front run together.
fn group_length(calls: &[OpenCall]) -> usize {
    calls.iter().position(OpenCall::writes).map_or(calls.len(), |first| first.max(1))
}

/// The result of a question that the user was not asked.
fn unasked(call: &OpenCall, output: &str) -> ToolResult {
    ToolResult::without_run(call.turn, call.id.clone(), call.name.clone(), ToolOutcome::Failed, output)
}
