//! Asks the model for one reply in the main conversation.

use async_trait::async_trait;
use domain::ports::store_text;
use domain::state::SessionState;
use domain::text;
use domain::{
    AgentStuck, AiMessage, AiThinking, Author, BudgetExhausted, BudgetLimit, CallId, CallKey, ContentBlock,
    Conversation, EventBody, INVOCATIONS_BEFORE_PUBLISHING, ModelReply, Step, StepError, StepOutput, StopReason,
    ToolCall, ToolOutcome, ToolResult, TurnNumber, UsageUpdated, UserMessage, Verdict, WaitReason, call_ids,
};
use serde_json::Value;

use crate::briefing;
use crate::context::Context;
use crate::empty_reply::{self, EmptyReply};
use crate::invocation::StepHandler;
use crate::loop_detection::{self, LoopFinding};
use crate::model_call::{CallOutcome, ModelCaller, PromptParts, unusable};
use crate::tools::parse_call;
use crate::{budget_warning, compaction, verdicts};

/// Replies in a row that are incomplete and call no tool, after which the model is nudged. After one more the user is asked.
const MAX_UNFINISHED_REPLIES: u32 = 3;

/// Maximum length of the line in which clients show a call.
const MAX_TITLE_CHARACTERS: usize = 300;

/// Maximum length of each text in a tool's input as clients see it. The model's own input stays whole in the stored reply.
const MAX_SHOWN_CHARACTERS: usize = 4000;

/// The step `generate-turn`.
pub struct GenerateTurn {
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
        if let Some(verdict) = verdicts::next_without_model(context.log.state()) {
            return Ok(StepOutput::new(verdict));
        }
        if let Some(exhausted) = out_of_steps(context.run()?.step_count()) {
            context.closing.push(exhausted.into());
            return Ok(StepOutput::new(Verdict::Publish));
        }
        if let Some(LoopFinding::AskUser(reason)) = loop_detection::detect(context.log.state()) {
            return Ok(ask_for_help(context, reason));
        }
        self.open_conversation(context).await?;
        compaction::replace_refused(context).await?;
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
            CallOutcome::Exhausted(reached) if is_mending(context)? => {
                // The work was ended before: what it lacks stands in the pull request, and nobody is waited for.
                let exhausted = BudgetExhausted { limit: reached.sentence, which: Some(reached.limit) };
                context.closing.push(exhausted.into());
                Ok(StepOutput::new(Verdict::Publish))
            }
            CallOutcome::Exhausted(reached) => verdicts::out_of_budget(context, reached).await,
            CallOutcome::TooLong(_) => {
                let bodies = compaction::when_full(context, None)?;
                context.log.append(bodies).await?;
                Ok(StepOutput::new(Verdict::Turn))
            }
            CallOutcome::Stopped => verdicts::stopped(context).await,
            CallOutcome::Replied { reply, mut events, .. } if compacts => {
                events.extend(compaction::after_note(context, &reply)?);
                close_with(context, events)?;
                Ok(StepOutput::new(Verdict::Turn))
            }
            CallOutcome::Replied { call, reply, events } => self.process_reply(context, call, &reply, events).await,
        }
    }
}

impl GenerateTurn {
    async fn open_conversation(&self, context: &mut Context) -> Result<(), StepError> {
        if context.log.state().main.opened {
            return Ok(());
        }
        let text = briefing::for_main(context.log.state())?;
        let message = UserMessage { conversation: Conversation::Main, author: Author::Brief, text, answers: None };
        Ok(context.log.append(vec![message.into()]).await?)
    }

    /// Records the reply, its content for viewers and later steps, and the next message to the model, in one batch. Then decides
    /// what follows.
    async fn process_reply(
        &self,
        context: &mut Context,
        call: CallKey,
        reply: &ModelReply,
        mut events: Vec<EventBody>,
    ) -> Result<StepOutput, StepError> {
        let is_full = reply.stop == StopReason::ModelContextWindowExceeded;
        let (asked_again, given_up) = match empty_reply::judge(context.log.state(), reply) {
            Some(EmptyReply::AskAgain(message)) => (Some(message), None),
            Some(EmptyReply::GiveUp(error)) => (None, Some(error)),
            None => (None, None),
        };
        let asks_again = asked_again.is_some();
        let refused = unusable(reply).filter(|_| !is_full).or(given_up);
        events.extend(self.content_events(context, call.turn, reply).await?);
        let calls = if is_full { 0 } else { reply.content.iter().filter(|block| is_call(block)).count() };
        let is_unfinished = calls == 0 && !is_full && !reply.stop.ends_work() && refused.is_none();
        let unfinished = context.log.state().main.unfinished_replies + u32::from(is_unfinished);
        if is_unfinished && unfinished == MAX_UNFINISHED_REPLIES {
            events.extend(loop_detection::nudge(unfinished_reason(unfinished)));
        } else if is_unfinished {
            // In the same batch: without this message the next turn would have nothing to send.
            events.push(continue_message(&reply.stop).into());
        }
        events.extend(asked_again.map(EventBody::from));
        let restart = if is_full { compaction::when_full(context, Some(reply)) } else { Ok(Vec::new()) };
        events.extend(restart.as_ref().ok().into_iter().flatten().cloned());
        if calls > 0 && refused.is_none() {
            // One batch with the end of the step, which follows at once: the reply is paid for.
            close_with(context, events)?;
            return Ok(StepOutput::new(Verdict::Tools));
        }
        context.log.append(events).await?;
        if let Some(error) = refused.or(restart.err()) {
            return Err(error);
        }
        context.closing.extend(usage_update(context.log.state()).map(EventBody::from));
        if is_unfinished && unfinished > MAX_UNFINISHED_REPLIES {
            return Ok(ask_for_help(context, unfinished_reason(unfinished)));
        }
        if is_unfinished || is_full || asks_again {
            return Ok(StepOutput::new(Verdict::Turn));
        }
        // The user may have sent a message while the model wrote its last reply.
        context.log.refresh().await?;
        let seen = context.log.state().main.last_turn.as_ref().map(|turn| turn.up_to);
        let state = context.log.state();
        let has_unseen = state.last_user_message > seen;
        Ok(StepOutput::new(if has_unseen { Verdict::Turn } else { verdicts::after_work(state) }))
    }

    /// The reply's texts, thinking and tool calls as events, redacted: the stored reply itself is private.
    async fn content_events(
        &self,
        context: &Context,
        turn: TurnNumber,
        reply: &ModelReply,
    ) -> Result<Vec<EventBody>, StepError> {
        let redactor = &context.common.redactor;
        let (session, blobs) = (context.log.session_id(), self.caller.blobs.as_ref());
        let mut events: Vec<EventBody> = Vec::new();
        let mut ids = call_ids(turn, &received_ids(reply), context.log.call_ids()).into_iter();
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
                // The window is full, so these calls are never run: the new conversation does not contain them.
                ContentBlock::ToolUse { .. } if reply.stop == StopReason::ModelContextWindowExceeded => {}
                ContentBlock::ToolUse { name, input, .. } => {
                    let Some(call) = ids.next() else { continue };
                    let title = title(name, input);
                    let title =
                        title.map(|title| text::shorten(&redactor.redact(&title), MAX_TITLE_CHARACTERS).into_owned());
                    let input = redactor.redact_json(&shorten_texts(input));
                    events.push(ToolCall { turn, call: call.clone(), tool: name.clone(), title, input }.into());
                    if reply.stop == StopReason::Refusal {
                        // Without a result the call would run when the user sends the session another message.
                        events.push(not_run(turn, &call, name).into());
                    }
                }
                ContentBlock::Text { .. } | ContentBlock::Thinking { .. } | ContentBlock::Other => {}
            }
        }
        Ok(events)
    }
}

/// The event of a run that publishes what it has, because the workflow cannot record many more steps.
fn out_of_steps(count: u32) -> Option<BudgetExhausted> {
    let limit = format!("the run has made {count} steps; what it has is published");
    let exhausted = BudgetExhausted { limit, which: Some(BudgetLimit::Steps) };
    (count >= INVOCATIONS_BEFORE_PUBLISHING).then_some(exhausted)
}

/// Whether the model works on what it was told when it had ended its work.
fn is_mending(context: &Context) -> Result<bool, StepError> {
    let run = context.run()?;
    Ok(run.told_of_checks + run.told_of_left_out > 0)
}

/// Leaves events to the batch that ends the step, with the usage that they lead to.
fn close_with(context: &mut Context, events: Vec<EventBody>) -> Result<(), StepError> {
    let usage = usage_update(&context.log.state_after(&events)?);
    context.closing.extend(events.into_iter().chain(usage.map(EventBody::from)));
    Ok(())
}

/// The ids with which the reply's tool calls were received.
fn received_ids(reply: &ModelReply) -> Vec<&str> {
    let ids = reply.content.iter().filter_map(|block| match block {
        ContentBlock::ToolUse { id, .. } => Some(id.as_str()),
        ContentBlock::Text { .. } | ContentBlock::Thinking { .. } | ContentBlock::Other => None,
    });
    ids.collect()
}

fn is_call(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::ToolUse { .. })
}

/// Asks the user, because the model did not make progress after a nudge.
fn ask_for_help(context: &mut Context, reason: String) -> StepOutput {
    context.closing.push(AgentStuck { reason: reason.clone() }.into());
    verdicts::ask_user(context, WaitReason::Stuck { reason })
}

fn unfinished_reason(replies: u32) -> String {
    format!("{replies} replies in a row were incomplete and called no tool")
}

/// The result of a call in a refused reply.
fn not_run(turn: TurnNumber, call: &CallId, tool: &str) -> ToolResult {
    let output = "This call was not run because its reply ended in a refusal.";
    ToolResult::without_run(turn, call.clone(), tool.to_owned(), ToolOutcome::Failed, output)
}

/// The message that asks the model to continue an incomplete reply.
fn continue_message(stop: &StopReason) -> UserMessage {
    let text = match stop {
        StopReason::MaxTokens => {
            "Your reply was cut off at the length limit. Continue in smaller pieces: write long files in several steps, and \
             use the tools."
        }
        StopReason::EndTurn
        | StopReason::ToolUse
        | StopReason::StopSequence
        | StopReason::PauseTurn
        | StopReason::Refusal
        | StopReason::ModelContextWindowExceeded
        | StopReason::Other(_) => "Continue.",
    };
    UserMessage { conversation: Conversation::Main, author: Author::Nudge, text: text.to_owned(), answers: None }
}

fn usage_update(state: &SessionState) -> Option<UsageUpdated> {
    let run = state.run()?;
    Some(UsageUpdated { usage: run.usage, cost: run.budget.spent(), context_tokens: run.context_tokens })
}

/// The line in which clients show a call. None when there is no such tool or its input is invalid.
fn title(name: &str, input: &Value) -> Option<String> {
    let call = parse_call(name, input).ok()?;
    Some(call.display().title)
}

/// A tool's input with long texts shortened.
fn shorten_texts(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > MAX_SHOWN_CHARACTERS => {
            Value::String(format!("{} ({} bytes)", text::shorten(text, MAX_SHOWN_CHARACTERS), text.len()))
        }
        Value::Array(items) => items.iter().map(shorten_texts).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shorten_texts(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
