//! The tool calls of one reply.
//!
//! Calls that only read run together; a call that can write waits for those before it and runs alone. Every call has its
//! intent in the log before it starts and its result after it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Blobs, Sandboxes, elapsed, keep_text, text_of};
use domain::state::ReplyState;
use domain::text::{one_line, shorten};
use domain::{
    CallId, ContentBlock, DecisionRecorded, EventBody, Keep, Step, StepError, StepOutput, StopReason, TodoUpdated,
    ToolOutcome, ToolResult, ToolStarted, TurnNumber, Verdict, WaitReason, transcript,
};
use serde_json::Value;

use crate::context::{Context, Watched, internal};
use crate::invocation::StepHandler;
use crate::run_tool::{Outcome, RunTool};
use crate::tools::{Answer, Tool, ToolLimits};
use crate::workspace::{Workspace, WorkspaceError, checkpoint};
use crate::{instructions, loop_detection, survey, verdicts};

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

/// A call of the reply that has no result.
pub(crate) struct OpenCall {
    pub turn: TurnNumber,
    pub id: CallId,
    pub name: String,
    pub tool: Result<Tool, String>,
    pub state: CallProgress,
}

/// How far an earlier invocation came with a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallProgress {
    NotStarted,
    /// Started in the sandbox that is there now: it can be joined or harvested.
    StartedHere,
    /// Started in a sandbox that is gone.
    StartedElsewhere,
}

/// A call with what became of it.
struct Answered {
    call: OpenCall,
    answer: Answer,
    duration: Duration,
}

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
            return Ok(StepOutput::go(Verdict::Turn));
        };
        let Some(workspace) = Workspace::of(context.log.state(), &self.sandboxes) else {
            return Ok(StepOutput::go(Verdict::Prepare));
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
        let questions: Vec<OpenCall> = calls.extract_if(.., |call| matches!(call.tool, Ok(Tool::AskUser(_)))).collect();
        let mut touched: Vec<String> = Vec::new();
        while !calls.is_empty() {
            if context.time_left() < RESERVE {
                return Ok(StepOutput::go(Verdict::Tools));
            }
            let group: Vec<OpenCall> = calls.drain(..group_length(&calls)).collect();
            let writes = group.iter().any(|call| call.tool.as_ref().is_ok_and(Tool::writes));
            touched.extend(group.iter().filter_map(|call| call.tool.as_ref().ok()?.path().map(str::to_owned)));
            self.announce(context, workspace, &group).await?;
            let mut bodies = match self.run_group(context, workspace, group).await? {
                Group::Answered(answered) => self.results(context, answered).await?,
                Group::Running => return Ok(StepOutput::go(Verdict::Tools)),
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
        self.ask(context, questions).map_err(WorkspaceError::Step)
    }

    /// The calls of the reply that have no result, with their input as the model gave it.
    async fn open_calls(
        &self,
        context: &Context,
        workspace: &Workspace,
        reply: &ReplyState,
    ) -> Result<Vec<OpenCall>, StepError> {
        let over = reply.run != context.input.run;
        let text = text_of(self.blobs.as_ref(), context.log.session_id(), &reply.message).await?;
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
                Tool::parse(&name, &input).map_err(|failure| failure.0)
            };
            let state = match &state.started_in {
                None => CallProgress::NotStarted,
                Some(sandbox) if *sandbox == workspace.id => CallProgress::StartedHere,
                Some(_) => CallProgress::StartedElsewhere,
            };
            open.push(OpenCall { turn: reply.call.turn, id, name, tool, state });
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
        let started = group.iter().filter(|call| call.state == CallProgress::NotStarted && call.tool.is_ok());
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
        let runner = RunTool { context, workspace, limits: &self.limits, up_to: context.time_left() - RESERVE / 2 };
        let started = context.common.clock.now();
        let work = futures_util::future::join_all(group.iter().map(|call| runner.run(call)));
        let outcomes = match context.until_cancelled(work).await {
            Watched::Done(outcomes) => outcomes,
            Watched::Stopped => return Ok(Group::Stopped(group)),
        };
        let mut answered = Vec::with_capacity(group.len());
        for (call, outcome) in group.into_iter().zip(outcomes) {
            match outcome? {
                Outcome::Answered(answer, ended) => {
                    answered.push(Answered { call, answer, duration: elapsed(started, ended) });
                }
                Outcome::Running => return Ok(Group::Running),
            }
        }
        Ok(Group::Answered(answered))
    }

    async fn results(&self, context: &Context, answered: Vec<Answered>) -> Result<Vec<EventBody>, StepError> {
        let mut bodies: Vec<EventBody> = Vec::new();
        let redactor = &context.common.redactor;
        for Answered { call, answer, duration } in answered {
            let view = call.tool.as_ref().map_or(Value::Null, |tool| redactor.redact_json(&tool.view()));
            let check = check_of(context, &call, &answer);
            let output = keep_text(self.blobs.as_ref(), context.log.session_id(), answer.output).await?;
            if let Some(items) = answer.todos {
                bodies.push(TodoUpdated { items }.into());
            }
            if let Some(decision) = answer.decision {
                let stated = serde_json::to_value(decision).map_err(internal)?;
                let decision = serde_json::from_value(redactor.redact_json(&stated)).map_err(internal)?;
                bodies.push(DecisionRecorded { decision }.into());
            }
            bodies.push(
                ToolResult {
                    turn: call.turn,
                    call: call.id,
                    tool: call.name,
                    output,
                    outcome: answer.outcome,
                    duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                    exit_code: answer.exit_code,
                    view,
                    check,
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
            workspace.kill(&RunTool::exec_id(call)?).await?;
        }
        let cancel = context.log.state().run().and_then(|run| run.cancel.clone());
        if writes && cancel.is_some_and(|cancel| cancel.keep == Keep::Branch) {
            context.closing = self.checkpoint(context, workspace, reply).await?;
            return Ok(StepOutput::go(Verdict::Publish));
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
    fn ask(&self, context: &mut Context, questions: Vec<OpenCall>) -> Result<StepOutput, StepError> {
        let mut questions = questions.into_iter();
        let Some(first) = questions.next() else { return Ok(StepOutput::go(Verdict::Turn)) };
        for more in questions {
            let output = "Only one question is asked at a time. Ask again if it is still open.";
            context.closing.push(refusal(&more, output).into());
        }
        let Ok(Tool::AskUser(asked)) = &first.tool else { return Ok(StepOutput::go(Verdict::Turn)) };
        let question = asked.question.trim();
        if question.is_empty() || question.chars().count() > crate::tools::MAX_QUESTION_CHARACTERS {
            let most = crate::tools::MAX_QUESTION_CHARACTERS;
            context.closing.push(refusal(&first, &format!("A question has 1 to {most} characters.")).into());
            return Ok(StepOutput::go(Verdict::Turn));
        }
        if context.log.state().main.open_calls().any(|call| call.id == first.id && call.unanswered) {
            let output = "Nobody answered in time. Decide yourself, and say so at the end.";
            context.closing.push(refusal(&first, output).into());
            return Ok(StepOutput::go(Verdict::Turn));
        }
        let question = context.common.redactor.redact(question).into_owned();
        Ok(verdicts::ask_user(context, WaitReason::Question { call: first.id.clone(), question }))
    }
}

/// How many calls from the front run together.
fn group_length(calls: &[OpenCall]) -> usize {
    let writes = |call: &OpenCall| call.tool.as_ref().is_ok_and(Tool::writes);
    calls.iter().position(writes).map_or(calls.len(), |first| first.max(1))
}

fn check_of(context: &Context, call: &OpenCall, answer: &Answer) -> Option<domain::Check> {
    let Ok(Tool::Bash(bash)) = &call.tool else { return None };
    let command = bash.command.as_deref()?;
    let surveyed = context.log.state().survey.as_ref()?;
    let is_check = |command: &str| survey::is_check(command, &surveyed.survey);
    let passed = answer.outcome == ToolOutcome::Ok;
    // Where something else follows the check, or makes up for its failure, success says nothing of the check.
    let last = command.trim_end().rsplit([';', '\n']).next().unwrap_or_default();
    let conclusive = !command.contains("||") && is_check(last);
    if !is_check(command) || (passed && !conclusive) {
        return None;
    }
    let command = shorten(&context.common.redactor.redact(&one_line(command)), 200).into_owned();
    Some(domain::Check { command, passed })
}

fn refusal(call: &OpenCall, output: &str) -> ToolResult {
    ToolResult {
        turn: call.turn,
        call: call.id.clone(),
        tool: call.name.clone(),
        output: output.into(),
        outcome: ToolOutcome::Failed,
        duration_ms: 0,
        exit_code: None,
        view: Value::Null,
        check: None,
    }
}
