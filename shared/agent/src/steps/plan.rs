//! Surveys the repository and asks the model for a plan.
//!
//! The plan is a conversation of its own: it has another system prompt and a schema for the answer, and system prompt, tools
//! and messages of a conversation are fixed. The main conversation gets the plan as text in its opening message.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ports::{Forge, Sandboxes};
use domain::state::SandboxState;
use domain::text::{first_line, shorten};
use domain::{
    Approver, Author, Confidence, ContentBlock, Conversation, Decision, DecisionRecorded, EventBody, FixedChecks,
    ModelReply, PlanApproval, PlanApproved, PlanCreated, ProjectType, RawJson, RepositorySurveyed, ScoreRecorded,
    ScoreSource, Step, StepError, StepOutput, UserMessage, Verdict, WaitReason, WorkspacePath,
};

use crate::briefing;
use crate::context::{Context, internal};
use crate::forge_stop::ForgeStop;
use crate::invocation::StepHandler;
use crate::model_call::{CallOutcome, ModelCaller, PromptParts, unusable};
use crate::repository_settings::{self, RepositorySettings};
use crate::survey;
use crate::verdicts;
use crate::workspace::{Workspace, WorkspaceError, record_loss};

/// Maximum times that the model is asked to correct an answer that is not a plan.
const MAX_CORRECTIONS: u32 = 2;

/// Maximum length of the title of a plan that was made from the request.
const MAX_TITLE_CHARACTERS: usize = 70;

/// Maximum length of the summary of a plan that is the model's text.
const MAX_SUMMARY_CHARACTERS: usize = 8000;

/// The step `plan`.
pub struct Plan {
    pub caller: ModelCaller,
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Reads the repository's own settings.
    pub forge: Arc<dyn Forge>,
}

#[async_trait]
impl StepHandler for Plan {
    fn step(&self) -> Step {
        Step::Plan
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        if let Some(plan) = &context.log.state().plan
            && !context.log.state().planning.has_unseen_messages()
        {
            // An earlier attempt recorded the plan but not what follows from it.
            let (id, content) = (plan.id.clone(), plan.content.clone());
            if plan.approved.is_some() {
                return Ok(StepOutput::new(Verdict::Turn));
            }
            return after_plan(context, id, content);
        }
        if context.log.state().survey.is_none() || !context.log.state().planning.opened {
            let Some(sandbox) = Workspace::sandbox_of(context.log.state()).cloned() else {
                return Ok(StepOutput::new(Verdict::Prepare));
            };
            let settings = match self.repository_settings(context).await {
                Ok(settings) => settings,
                Err(stop) => return stop.answer(Verdict::Plan),
            };
            match self.survey(context, &sandbox, settings).await {
                Ok(()) => {}
                Err(WorkspaceError::SandboxLost(reason)) => return record_loss(context, sandbox.id, reason).await,
                Err(error @ (WorkspaceError::Toolbox(_) | WorkspaceError::Step(_))) => return Err(error.into()),
            }
        }
        let setup = &context.session()?.setup;
        let prompt = PromptParts {
            conversation: Conversation::Plan,
            system: setup.plan_system.clone(),
            tools: RawJson::of(&[(); 0]).map_err(internal)?,
            output_schema: Some(setup.plan_schema.clone()),
        };
        match self.caller.call(context, prompt).await? {
            CallOutcome::Wait(seconds) => Ok(StepOutput::wait(seconds, Verdict::Plan)),
            CallOutcome::Again => Ok(StepOutput::new(Verdict::Plan)),
            CallOutcome::Exhausted(reached) => verdicts::out_of_budget(context, reached).await,
            CallOutcome::TooLong(terminal) => Err(terminal.into()),
            CallOutcome::Stopped => verdicts::stopped(context).await,
            CallOutcome::Replied { reply, events, .. } => self.process_reply(context, &reply, events).await,
        }
    }
}

impl Plan {
    /// The checks that the deployment or the repository fixes. The inner error says why the repository's file cannot be used.
    async fn repository_settings(&self, context: &Context) -> Result<Result<Option<FixedChecks>, String>, ForgeStop> {
        let redacted = |command: String| context.common.redactor.redact(&command).into_owned();
        let fixed = |commands: Vec<String>, source: &str| FixedChecks {
            commands: commands.into_iter().map(redacted).collect(),
            source: source.to_owned(),
        };
        if let Some(commands) = context.session().map_err(StepError::from)?.setup.checks.clone() {
            return Ok(Ok(Some(fixed(commands, "the deployment's settings"))));
        }
        let Some(base) = &context.log.state().base else { return Ok(Ok(None)) };
        let Some(commit) = &base.commit else { return Ok(Ok(None)) };
        let path = WorkspacePath::try_from(repository_settings::PATH.to_owned()).map_err(internal)?;
        let mut contents = self.forge.contents(&base.repository, commit, std::slice::from_ref(&path)).await?;
        let Some(content) = contents.remove(&path) else { return Ok(Ok(None)) };
        Ok(match RepositorySettings::read(&content) {
            Ok(settings) => Ok(settings.checks.map(|commands| fixed(commands, repository_settings::PATH))),
            Err(reason) => Err(format!("{} is not used: {reason}", repository_settings::PATH)),
        })
    }

    /// Surveys the repository and opens the plan's conversation with the result.
    async fn survey(
        &self,
        context: &mut Context,
        sandbox: &SandboxState,
        settings: Result<Option<FixedChecks>, String>,
    ) -> Result<(), WorkspaceError> {
        let workspace = Workspace::connect(self.sandboxes.as_ref(), sandbox).await?;
        let facts = workspace.survey(context).await?;
        let survey = survey::classify(&facts);
        let checkout = workspace.inspect_checkout(context, survey::programs(&survey)).await?;
        let mut bodies: Vec<EventBody> = Vec::new();
        if context.log.state().survey.is_none() {
            let surveyed = RepositorySurveyed {
                survey,
                instruction_directories: checkout.instruction_directories,
                commit_subjects: checkout.commit_subjects,
                missing_programs: checkout.missing_programs,
                unusable_settings: settings.as_ref().err().cloned(),
                fixed_checks: settings.unwrap_or_default(),
            };
            let has_root_instructions = surveyed.instruction_directories.iter().any(|directory| directory == ".");
            bodies.push(surveyed.into());
            if has_root_instructions {
                let read = workspace.instructions(context, vec![".".to_owned()]).await?;
                bodies.extend(read.into_iter().map(EventBody::from));
            }
            context.log.append(bodies).await.map_err(StepError::from)?;
        }
        let tree = Workspace::tree(&facts);
        let text = briefing::for_plan(context.log.state(), &tree)?;
        let text = context.common.redactor.redact(&text).into_owned();
        let message = UserMessage { conversation: Conversation::Plan, author: Author::Brief, text, answers: None };
        Ok(context.log.append(vec![message.into()]).await.map_err(StepError::from)?)
    }

    /// Records the plan in the reply, or asks the model to correct its answer.
    async fn process_reply(
        &self,
        context: &mut Context,
        reply: &ModelReply,
        mut events: Vec<EventBody>,
    ) -> Result<StepOutput, StepError> {
        if let Some(error) = unusable(reply) {
            context.log.append(events).await?;
            return Err(error);
        }
        let (plan, states_confidence) = match read_plan(reply) {
            Ok(plan) => (redact_plan(context, &plan)?, true),
            Err(reason) if context.log.state().planning.nudges < MAX_CORRECTIONS => {
                events.push(correction(&reason).into());
                context.closing.extend(events);
                return Ok(StepOutput::new(Verdict::Plan));
            }
            Err(reason) => (redact_plan(context, &plan_in_words(context, reply, &reason)?)?, false),
        };
        let plan = domain::Plan { checks: Some(checks(context, plan.checks)), ..plan };
        let id = context.common.ids.plan();
        events.push(PlanCreated { plan: id.clone(), content: plan.clone() }.into());
        events.extend(plan.decisions.iter().map(|decision| DecisionRecorded { decision: decision.clone() }.into()));
        events.extend(states_confidence.then(|| confidence_score(&plan).into()));
        // One batch with the end of the step, which follows at once: the reply is paid for.
        context.closing.extend(events);
        after_plan(context, id, plan)
    }
}

/// The checks that are run before the change is published, as the plan shows them: those that a person has fixed, else those of the
/// plan, else those of the survey.
fn checks(context: &Context, planned: Option<Vec<String>>) -> Vec<String> {
    let surveyed = context.log.state().survey.as_ref();
    if let Some(fixed) = surveyed.and_then(|surveyed| surveyed.fixed_checks.clone()) {
        return fixed.commands;
    }
    let of_survey = || surveyed.map(|surveyed| surveyed.survey.checks().cloned().collect()).unwrap_or_default();
    planned.map(repository_settings::conclusive).unwrap_or_else(of_survey)
}

/// The message that asks the model to correct its answer.
fn correction(reason: &str) -> UserMessage {
    let text = format!("Your answer could not be read as a plan: {reason}. Answer with the JSON object only.");
    UserMessage { conversation: Conversation::Plan, author: Author::Nudge, text, answers: None }
}

/// The plan of a model whose answer cannot be read as one: its text is the summary. The decision says so.
fn plan_in_words(context: &Context, reply: &ModelReply, reason: &str) -> Result<domain::Plan, StepError> {
    let summary = shorten(text_of(reply).trim(), MAX_SUMMARY_CHARACTERS).into_owned();
    let survey = context.log.state().survey.as_ref();
    Ok(domain::Plan {
        title: shorten(first_line(context.session()?.request.prompt.trim()), MAX_TITLE_CHARACTERS).into_owned(),
        summary: if summary.is_empty() { "The model gave no plan.".to_owned() } else { summary },
        steps: Vec::new(),
        files: Vec::new(),
        risks: Vec::new(),
        checks: None,
        project_type: survey.map_or(ProjectType::General, |surveyed| surveyed.survey.project_type),
        confidence: Confidence { value: 0.0, reason: "The model did not state its confidence.".to_owned() },
        decisions: vec![Decision {
            decision: "The model's text is the plan, as it is.".to_owned(),
            reason: format!(
                "After {MAX_CORRECTIONS} corrections its answer could still not be read as a plan: {reason}"
            ),
            alternatives: Vec::new(),
        }],
        question: None,
    })
}

/// What follows a plan: a question to the user, an approval, or the work.
fn after_plan(context: &mut Context, id: domain::PlanId, plan: domain::Plan) -> Result<StepOutput, StepError> {
    if let Some(question) = plan.question {
        return Ok(verdicts::ask_user(context, WaitReason::PlanQuestion { question }));
    }
    match context.session()?.request.plan_approval {
        PlanApproval::Required => Ok(verdicts::ask_user(context, WaitReason::PlanApproval { plan: id })),
        PlanApproval::NotRequired => {
            context.closing.push(PlanApproved { plan: id, by: Approver::Nobody }.into());
            Ok(StepOutput::new(Verdict::Turn))
        }
    }
}

fn text_of(reply: &ModelReply) -> String {
    let texts = reply.content.iter().filter_map(|block| match block {
        ContentBlock::Text { text } => Some(text.as_str()),
        ContentBlock::Thinking { .. } | ContentBlock::ToolUse { .. } | ContentBlock::Other => None,
    });
    texts.collect()
}

fn read_plan(reply: &ModelReply) -> Result<domain::Plan, String> {
    let plan: domain::Plan = serde_json::from_str(text_of(reply).trim()).map_err(|error| error.to_string())?;
    if plan.title.trim().is_empty() {
        return Err("the title is empty".to_owned());
    }
    if !(0.0..=1.0).contains(&plan.confidence.value) {
        return Err("the confidence is not between 0 and 1".to_owned());
    }
    let title = plan.title.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(domain::Plan { title, question: plan.question.filter(|question| !question.trim().is_empty()), ..plan })
}

fn redact_plan(context: &Context, plan: &domain::Plan) -> Result<domain::Plan, StepError> {
    let value = serde_json::to_value(plan).map_err(internal)?;
    serde_json::from_value(context.common.redactor.redact_json(&value)).map_err(internal)
}

fn confidence_score(plan: &domain::Plan) -> ScoreRecorded {
    let value = plan.confidence.value;
    let label = if value >= 0.75 {
        "high"
    } else if value >= 0.4 {
        "medium"
    } else {
        "low"
    };
    ScoreRecorded {
        name: "plan_confidence".to_owned(),
        value: Some(value),
        label: Some(label.to_owned()),
        source: ScoreSource::Model,
        explanation: format!("self-reported by the model, not calibrated: {}", plan.confidence.reason),
    }
}
