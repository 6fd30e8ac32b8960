//! One reply of the model in the main conversation.

use async_trait::async_trait;
use domain::commands::after_cancel;
use domain::ports::keep_text;
use domain::state::SessionState;
use domain::{
    AgentStuck, AiMessage, AiThinking, Author, CallId, CallKey, ContentBlock, Conversation, EventBody, ModelReply,
    Step, StepError, StepOutput, StopReason, ToolAnswered, ToolCalled, ToolOutcome, TurnNumber, UsageUpdated,
    UserMessage, Verdict, WaitReason,
};
use serde_json::Value;

use super::StepHandler;
use crate::brief;
use crate::context::Context;
use crate::model_call::{Called, Frame, ModelCaller, exhausted, unusable};
use crate::stuck::{self, Circle};
use crate::{handover, wait, wrap_up};

/// So many replies in a row may come to no end and call no tool before that counts as going in circles.
const MOST_CUT: usize = 3;

/// Texts in a tool's input are cut to this many characters for viewers.
const LONGEST_SHOWN: usize = 4000;

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
        if !context.journal.state().has_approved_plan() {
            return Ok(StepOutput::go(Verdict::Plan));
        }
        if let Some(verdict) = settled(context.journal.state()) {
            return Ok(StepOutput::go(verdict));
        }
        if let Some(Circle::Ask(reason)) = stuck::circle(context.journal.events()) {
            return helpless(context, reason).await;
        }
        self.open_conversation(context).await?;
        let limits = self.caller.model.limits(&context.session()?.request.model);
        let hands_over = handover::is_due(context.journal.state(), context.journal.events(), limits);
        if hands_over {
            handover::request(context).await?;
        } else {
            let hints = wrap_up::hints(context.journal.state());
            context.journal.append(hints).await?;
        }
        let setup = &context.session()?.setup;
        let frame = Frame {
            conversation: Conversation::Main,
            system: setup.system.clone(),
            tools: setup.tools.clone(),
            output_schema: None,
        };
        match self.caller.call(context, frame).await? {
            Called::Wait(seconds) => Ok(StepOutput::wait(seconds, Verdict::Turn)),
            Called::Again => Ok(StepOutput::go(Verdict::Turn)),
            Called::Exhausted(reached) => exhausted(context, reached).await,
            Called::TooLong(_) => {
                let bodies = handover::when_full(context, None)?;
                context.journal.append(bodies).await?;
                Ok(StepOutput::go(Verdict::Turn))
            }
            Called::Stopped => stopped(context).await,
            Called::Replied { reply, mut events, .. } if hands_over => {
                events.extend(handover::after_note(context, &reply)?);
                context.journal.append(events).await?;
                context.closing.extend(usage(context.journal.state()).map(EventBody::from));
                Ok(StepOutput::go(Verdict::Turn))
            }
            Called::Replied { call, reply, events } => self.take_in(context, call, &reply, events).await,
        }
    }
}

/// What is due without asking the model.
pub(super) fn settled(state: &SessionState) -> Option<Verdict> {
    if state.main.open_calls().next().is_some() {
        return Some(Verdict::Tools);
    }
    let finished = state
        .main
        .last()
        .is_some_and(|turn| turn.reply.as_ref().is_some_and(|reply| reply.calls.is_empty() && reply.stop.ends_work()));
    (finished && !state.main.has_unseen_messages()).then_some(Verdict::Publish)
}

/// The answer of a step that was told to stop: cancelled, or stale.
pub(super) async fn stopped(context: &mut Context) -> Result<StepOutput, StepError> {
    context.journal.refresh().await?;
    context.journal.check_fence()?;
    Ok(StepOutput::go(after_cancel(context.journal.state())))
}

impl GenerateTurn {
    /// The conversation opens with the task, what was found and what was planned.
    async fn open_conversation(&self, context: &mut Context) -> Result<(), StepError> {
        let opened = context.journal.events().iter().any(|event| {
            matches!(&event.body, EventBody::UserMessage(message)
                if message.conversation == Conversation::Main && message.author == Author::Brief)
        });
        if opened {
            return Ok(());
        }
        let text = brief::main(context.journal.state(), context.journal.events())?;
        let message = UserMessage { conversation: Conversation::Main, author: Author::Brief, text, answers: None };
        Ok(context.journal.append(vec![message.into()]).await?)
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
        let cut = context.journal.state().main.cut_in_a_row() + usize::from(goes_on);
        if goes_on && cut == MOST_CUT {
            events.extend(stuck::told(no_end(cut)));
        } else if goes_on {
            // In the same batch: without it the next turn would have nothing to say.
            events.push(nudge(&reply.stop).into());
        }
        let begun = if full { handover::when_full(context, Some(reply)) } else { Ok(Vec::new()) };
        events.extend(begun.as_ref().ok().into_iter().flatten().cloned());
        context.journal.append(events).await?;
        if let Some(error) = refused.or(begun.err()) {
            return Err(error);
        }
        context.closing.extend(usage(context.journal.state()).map(EventBody::from));
        if calls > 0 {
            return Ok(StepOutput::go(Verdict::Tools));
        }
        if goes_on && cut > MOST_CUT {
            return helpless(context, no_end(cut)).await;
        }
        if goes_on || full {
            return Ok(StepOutput::go(Verdict::Turn));
        }
        context.journal.refresh().await?;
        let seen = context.journal.state().main.last().map(|turn| turn.up_to);
        let unseen = context.journal.state().last_user_message > seen;
        Ok(StepOutput::go(if unseen { Verdict::Turn } else { Verdict::Publish }))
    }

    /// What viewers and the next steps read of a reply.
    async fn said(&self, context: &Context, turn: TurnNumber, reply: &ModelReply) -> Result<Vec<EventBody>, StepError> {
        let masker = &context.common.masker;
        let (session, blobs) = (context.journal.session_id(), self.caller.blobs.as_ref());
        let mut events: Vec<EventBody> = Vec::new();
        for block in &reply.content {
            match block {
                ContentBlock::Text { text } if !text.trim().is_empty() => {
                    let text = keep_text(blobs, session, masker.mask(text).into_owned()).await?;
                    events.push(AiMessage { turn, text }.into());
                }
                ContentBlock::Thinking { thinking } if !thinking.trim().is_empty() => {
                    let text = keep_text(blobs, session, masker.mask(thinking).into_owned()).await?;
                    events.push(AiThinking { turn, text }.into());
                }
                // The window is full: the new conversation knows nothing of calls of the old one.
                ContentBlock::ToolUse { .. } if reply.stop == StopReason::ModelContextWindowExceeded => {}
                ContentBlock::ToolUse { id, name, input } => {
                    let input = masker.mask_json(&shorten(input));
                    events.push(ToolCalled { turn, call: id.clone(), tool: name.clone(), input }.into());
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
async fn helpless(context: &mut Context, reason: String) -> Result<StepOutput, StepError> {
    context.closing.push(AgentStuck { reason: reason.clone() }.into());
    wait::begin(context, WaitReason::Stuck { reason }).await
}

fn no_end(cut: usize) -> String {
    format!("{cut} replies in a row came to no end and called no tool")
}

/// The answer to a call in a reply that the model did not stand by.
fn not_run(turn: TurnNumber, call: &CallId, tool: &str) -> ToolAnswered {
    ToolAnswered {
        turn,
        call: call.clone(),
        tool: tool.to_owned(),
        output: "This call was not run: the reply it stood in ended in a refusal.".into(),
        outcome: ToolOutcome::Failed,
        duration_ms: 0,
        exit_code: None,
        view: Value::Null,
        check: None,
    }
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

/// A tool's input with long texts cut, for viewers.
fn shorten(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > LONGEST_SHOWN => {
            let head: String = text.chars().take(LONGEST_SHOWN).collect();
            Value::String(format!("{head}… ({} bytes)", text.len()))
        }
        Value::Array(items) => items.iter().map(shorten).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shorten(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
