//! One reply of the model in the main conversation.

use async_trait::async_trait;
use domain::ports::store_text;
use domain::state::SessionState;
use domain::text;
use domain::{
    AgentStuck, AiMessage, AiThinking, Author, CallId, CallKey, ContentBlock, Conversation, EventBody, ModelReply,
    Step, StepError, StepOutput, StopReason, ToolCall, ToolOutcome, ToolResult, TurnNumber, UsageUpdated, UserMessage,
    Verdict, WaitReason,
};
use serde_json::Value;

use crate::brief;
use crate::context::Context;
use crate::invocation::StepHandler;
use crate::loop_detection::{self, LoopFinding};
use crate::model_call::{CallOutcome, ModelCaller, PromptParts, unusable};
use crate::tools::read_call;
use crate::{budget_warning, compaction, verdicts};

/// So many replies in a row may come to no end and call no tool before that counts as going in circles.
const MAX_UNFINISHED_REPLIES: u32 = 3;

/// A call in a line is cut to this many characters.
const MAX_TITLE_CHARACTERS: usize = 300;

/// Texts in a tool's input are cut to this many characters for viewers.
const MAX_SHOWN_CHARACTERS: usize = 4000;

/// The step `generate-turn`.
pub struct GenerateTurn {
    /// Talks to the model.
    pub caller: ModelCaller,
}

#[async_trait]
impl StepHandler for GenerateTurn {
    fn step(&self) -> Step {
        Step::GenerateTurn
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        if !context.log.state().has_approved_plan() {
            return Ok(StepOutput::new(Verdict::Plan));
        }
        if let Some(verdict) = verdicts::due_without_model(context.log.state()) {
            return Ok(StepOutput::new(verdict));
        }
        if let Some(LoopFinding::Ask(reason)) = loop_detection::detect(context.log.state()) {
            return Ok(helpless(context, reason));
        }
        self.open_conversation(context).await?;
        let limits = self.caller.model.limits(&context.session()?.request.model);
        let compacts = compaction::is_due(context.log.state(), limits);
        if compacts {
            compaction::request(context).await?;
        } else {
            let warnings = budget_warning::warnings(context.log.state());
            context.log.append(warnings).await?;
        }
        let setup = &context.session()?.setup;
        let prompt = PromptParts {
            conversation: Conversation::Main,
            system: setup.system.clone(),
            tools: setup.tools.clone(),
            output_schema: None,
        };
        match self.caller.call(context, prompt).await? {
            CallOutcome::Wait(seconds) => Ok(StepOutput::wait(seconds, Verdict::Turn)),
            CallOutcome::Again => Ok(StepOutput::new(Verdict::Turn)),
            CallOutcome::Exhausted(reached) => verdicts::out_of_budget(context, reached).await,
            CallOutcome::TooLong(_) => {
                let bodies = compaction::when_full(context, None)?;
                context.log.append(bodies).await?;
                Ok(StepOutput::new(Verdict::Turn))
            }
            CallOutcome::Stopped => verdicts::stopped(context).await,
            CallOutcome::Replied { reply, mut events, .. } if compacts => {
                events.extend(compaction::after_note(context, &reply)?);
                context.log.append(events).await?;
                context.closing.extend(usage(context.log.state()).map(EventBody::from));
                Ok(StepOutput::new(Verdict::Turn))
            }
            CallOutcome::Replied { call, reply, events } => self.take_in(context, call, &reply, events).await,
        }
    }
}

impl GenerateTurn {
    /// The conversation opens with the task, what was found and what was planned.
    async fn open_conversation(&self, context: &mut Context) -> Result<(), StepError> {
        if context.log.state().main.opened {
            return Ok(());
        }
        let text = brief::main(context.log.state())?;
        let message = UserMessage { conversation: Conversation::Main, author: Author::Brief, text, answers: None };
        Ok(context.log.append(vec![message.into()]).await?)
    }

    /// Writes down what the model said and decides what follows.
    async fn take_in(
        &self,
        context: &mut Context,
        call: CallKey,
        reply: &ModelReply,
        mut events: Vec<EventBody>,
    ) -> Result<StepOutput, StepError> {
        let full = reply.stop == StopReason::ModelContextWindowExceeded;
        let refused = unusable(reply).filter(|_| !full);
        events.extend(self.said(context, call.turn, reply).await?);
        let calls = if full { 0 } else { reply.content.iter().filter(|block| is_call(block)).count() };
        let goes_on = calls == 0 && !full && !reply.stop.ends_work() && refused.is_none();
        let cut = context.log.state().main.unfinished_replies + u32::from(goes_on);
        if goes_on && cut == MAX_UNFINISHED_REPLIES {
            events.extend(loop_detection::told(no_end(cut)));
        } else if goes_on {
            // In the same batch: without it the next turn would have nothing to say.
            events.push(nudge(&reply.stop).into());
        }
        let begun = if full { compaction::when_full(context, Some(reply)) } else { Ok(Vec::new()) };
        events.extend(begun.as_ref().ok().into_iter().flatten().cloned());
        context.log.append(events).await?;
        if let Some(error) = refused.or(begun.err()) {
            return Err(error);
        }
        context.closing.extend(usage(context.log.state()).map(EventBody::from));
        if calls > 0 {
            return Ok(StepOutput::new(Verdict::Tools));
        }
        if goes_on && cut > MAX_UNFINISHED_REPLIES {
            return Ok(helpless(context, no_end(cut)));
        }
        if goes_on || full {
            return Ok(StepOutput::new(Verdict::Turn));
        }
        context.log.refresh().await?;
        let seen = context.log.state().main.last_turn.as_ref().map(|turn| turn.up_to);
        let unseen = context.log.state().last_user_message > seen;
        Ok(StepOutput::new(if unseen { Verdict::Turn } else { Verdict::Publish }))
    }

    /// What viewers and the next steps read of a reply.
    async fn said(&self, context: &Context, turn: TurnNumber, reply: &ModelReply) -> Result<Vec<EventBody>, StepError> {
        let redactor = &context.common.redactor;
        let (session, blobs) = (context.log.session_id(), self.caller.blobs.as_ref());
        let mut events: Vec<EventBody> = Vec::new();
        for block in &reply.content {
            match block {
                ContentBlock::Text { text } if !text.trim().is_empty() => {
                    let text = store_text(blobs, session, redactor.redact(text).into_owned()).await?;
                    events.push(AiMessage { turn, text }.into());
                }
                ContentBlock::Thinking { thinking } if !thinking.trim().is_empty() => {
                    let text = store_text(blobs, session, redactor.redact(thinking).into_owned()).await?;
                    events.push(AiThinking { turn, text }.into());
                }
                // The window is full: the new conversation knows nothing of calls of the old one.
                ContentBlock::ToolUse { .. } if reply.stop == StopReason::ModelContextWindowExceeded => {}
                ContentBlock::ToolUse { id, name, input } => {
                    let title = title(name, input);
                    let title =
                        title.map(|title| text::shorten(&redactor.redact(&title), MAX_TITLE_CHARACTERS).into_owned());
                    let input = redactor.redact_json(&shorten(input));
                    events.push(ToolCall { turn, call: id.clone(), tool: name.clone(), title, input }.into());
                    if reply.stop == StopReason::Refusal {
                        // Otherwise it would run when somebody speaks to the session again.
                        events.push(not_run(turn, id, name).into());
                    }
                }
                ContentBlock::Text { .. } | ContentBlock::Thinking { .. } | ContentBlock::Other => {}
            }
        }
        Ok(events)
    }
}

fn is_call(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::ToolUse { .. })
}

/// Asks a person, since the model does not get out of it by itself.
fn helpless(context: &mut Context, reason: String) -> StepOutput {
    context.closing.push(AgentStuck { reason: reason.clone() }.into());
    verdicts::ask_user(context, WaitReason::Stuck { reason })
}

fn no_end(cut: u32) -> String {
    format!("{cut} replies in a row came to no end and called no tool")
}

/// The answer to a call in a reply that the model did not stand by.
fn not_run(turn: TurnNumber, call: &CallId, tool: &str) -> ToolResult {
    let output = "This call was not run: the reply it stood in ended in a refusal.";
    ToolResult::without_run(turn, call.clone(), tool.to_owned(), ToolOutcome::Failed, output)
}

/// What the model is told when its reply came to no end.
fn nudge(stop: &StopReason) -> UserMessage {
    let text = match stop {
        StopReason::MaxTokens => {
            "Your reply was cut because it was too long. Go on in smaller pieces: write long files in several steps, and \
             use the tools."
        }
        StopReason::EndTurn
        | StopReason::ToolUse
        | StopReason::StopSequence
        | StopReason::PauseTurn
        | StopReason::Refusal
        | StopReason::ModelContextWindowExceeded
        | StopReason::Other(_) => "Go on.",
    };
    UserMessage { conversation: Conversation::Main, author: Author::Nudge, text: text.to_owned(), answers: None }
}

/// What the run has used so far.
fn usage(state: &SessionState) -> Option<UsageUpdated> {
    let run = state.run()?;
    Some(UsageUpdated { usage: run.usage, cost: run.budget.spent(), context_tokens: run.context_tokens })
}

/// A call in a line, for viewers.
fn title(name: &str, input: &Value) -> Option<String> {
    let call = read_call(name, input).ok()?;
    Some(call.display().title)
}

/// A tool's input with long texts cut, for viewers.
fn shorten(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > MAX_SHOWN_CHARACTERS => {
            Value::String(format!("{} ({} bytes)", text::shorten(text, MAX_SHOWN_CHARACTERS), text.len()))
        }
        Value::Array(items) => items.iter().map(shorten).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shorten(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
