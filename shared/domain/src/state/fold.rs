//! What each kind of event changes in the state. Nothing else derives state from events.

#![deny(clippy::wildcard_enum_match_arm)]

use std::sync::Arc;

use crate::{
    Author, BranchPublished, Conversation, ErrorCode, Event, EventBody, FileChangeKind, FileChanged, GitAction,
    GitOperation, InstructionsRead, RunStarted, SandboxCreated, SandboxId, Seq, Step, UserMessage, WaitEnded,
    WaitOutcome, WaitReason,
};

use super::{
    Base, ConversationState, PlanState, RunState, SandboxStage, SandboxState, SessionState, SetupStage, SetupState,
    UserText,
};

/// Minimum of characters that [`SessionState::user_texts`] retains. It is what the opening of a compacted conversation may
/// quote of people's messages.
pub const MAX_USER_TEXT_CHARACTERS: usize = 100_000;

/// Maximum of [`SessionState::written`]: more than a change may have files.
const MAX_WRITTEN: usize = 10_000;

/// Maximum of [`SessionState::refused_hosts`].
pub const MAX_REFUSED_HOSTS: usize = 50;

impl SessionState {
    /// Applies the next event. Every kind has an arm, so that the compiler asks here about a new one.
    pub fn apply(&mut self, event: &Event) {
        self.tail = event.seq;
        if let Some(writer) = event.writer {
            self.in_run(event, |run| run.wrote(writer, event.at));
        }
        if let Some(command) = &event.command {
            self.commands.remember(command);
        }
        match &event.body {
            EventBody::SessionCreated(created) => self.session = Some(Arc::new(created.session.clone())),
            EventBody::RunStarted(started) => self.start_run(event, started),
            EventBody::SessionStatus(changed) => self.in_run(event, |run| run.status = changed.status),
            EventBody::StepStarted(started) => self.in_run(event, |run| run.step_started(event, started)),
            EventBody::StepFinished(finished) => self.in_run(event, |run| run.step_finished(finished)),
            EventBody::StepFailed(failed) => {
                self.in_run(event, |run| run.step_failed(failed));
                let is_refused = failed.code.is_some_and(ErrorCode::refuses_conversation);
                self.main.refused |= failed.step == Step::GenerateTurn && is_refused;
            }
            EventBody::SessionCancelRequested(cancel) => {
                self.in_run(event, |run| run.cancel = Some(cancel.clone()));
            }
            EventBody::RunFailing(failing) => self.in_run(event, |run| {
                run.failing.get_or_insert_with(|| (failing.code, failing.message.clone()));
            }),
            EventBody::RunFinished(finished) => {
                self.wait = None;
                self.leave_sandbox();
                self.in_run(event, |run| run.finish(finished));
            }

            EventBody::SessionDeleted(_) => self.deleted = true,

            EventBody::SandboxCreated(created) => self.sandbox_created(created),
            EventBody::SandboxAttached(attached) => {
                if let Some(sandbox) = self.sandbox_named(&attached.sandbox) {
                    sandbox.stage = SandboxStage::Ready;
                }
            }
            EventBody::SandboxTerminating(terminating) => self.sandbox_terminating(terminating),
            EventBody::SandboxLost(lost) => {
                if self.sandbox_named(&lost.sandbox).is_some() {
                    self.losses_in_a_row += 1;
                    self.leave_sandbox();
                }
            }
            EventBody::SandboxTerminated(terminated) => self.sandbox_terminated(&terminated.sandbox),
            EventBody::NetworkAllowed(allowed) => self.network_asked(&allowed.sandbox),
            EventBody::NetworkRefused(refused) => {
                self.network_asked(&refused.sandbox);
                if !self.refused_hosts.contains(&refused.host) && self.refused_hosts.len() < MAX_REFUSED_HOSTS {
                    self.refused_hosts.push(refused.host.clone());
                }
            }
            EventBody::SetupStarted(started) => {
                if let Some(sandbox) = self.sandbox_named(&started.sandbox) {
                    sandbox.setup = Some(SetupStage::Started);
                }
                self.setup = Some(SetupState { command: started.command.clone(), finished: None });
            }
            EventBody::SetupFinished(finished) => {
                if let Some(sandbox) = self.sandbox_named(&finished.sandbox) {
                    sandbox.setup = Some(SetupStage::Finished);
                }
                if let Some(setup) = &mut self.setup {
                    setup.finished = Some(finished.clone());
                }
            }
            EventBody::GitOperation(operated) => self.git_operation(event, operated),

            EventBody::RepositorySurveyed(surveyed) => self.survey = Some(surveyed.clone()),
            EventBody::InstructionsRead(read) => self.instructions_read(read),
            EventBody::PlanCreated(created) => {
                self.losses_in_a_row = 0;
                let (id, content) = (created.plan.clone(), created.content.clone());
                self.plan = Some(PlanState { id, content, approved: None });
            }
            EventBody::PlanApproved(approved) => {
                if let Some(plan) = self.plan.as_mut().filter(|plan| plan.id == approved.plan) {
                    plan.approved = Some(approved.by);
                }
            }
            EventBody::PlanRejected(rejected) => {
                self.in_run(event, |run| run.rejected = rejected.message.is_none());
            }
            // The decisions of a plan are in the plan already.
            EventBody::DecisionRecorded(recorded) => {
                if event.writer.is_some_and(|by| by.step == Step::ExecuteTool) {
                    Arc::make_mut(&mut self.decisions).push(recorded.decision.clone());
                }
            }

            EventBody::UserMessage(message) => self.message(event, message),
            EventBody::WaitStarted(started) => {
                self.wait = Some(started.clone());
                self.in_run(event, |run| {
                    run.wait_outcome = None;
                    run.progressed();
                });
            }
            EventBody::WaitEnded(ended) => self.wait_ended(event, ended),
            EventBody::AgentStuck(_) => self.in_run(event, |run| run.recent_calls.warned()),

            EventBody::BudgetReserved(reserved) => {
                self.in_run(event, |run| run.budget.reserve(reserved.call, reserved.amount));
            }
            EventBody::BudgetSettled(settled) => {
                self.in_run(event, |run| run.budget.settle(settled.call, settled.cost));
            }
            EventBody::BudgetExtended(extended) => self.in_run(event, |run| run.budget.extend(*extended)),
            EventBody::BudgetNearing(nearing) => {
                self.in_run(event, |run| run.nearing.push((nearing.limit, run.budget.limits())));
            }

            EventBody::TurnStarted(started) => {
                self.conversation_mut(started.call.conversation).call_started(started);
            }
            EventBody::ModelReplied(replied) => {
                self.in_run(event, |run| run.replied(replied));
                self.conversation_mut(replied.call.conversation).replied(event.run, replied);
            }
            EventBody::ModelRetrying(retrying) => {
                self.conversation_mut(retrying.call.conversation).retrying(event.at, retrying);
                self.in_run(event, |run| run.retrying(retrying));
                self.window_tokens = retrying.window_tokens.or(self.window_tokens);
            }
            EventBody::AiMessage(message) => self.main.said(message),
            EventBody::ToolCall(called) => self.main.tool_called(called),
            EventBody::ToolStarted(started) => self.main.tool_started(started),
            EventBody::ToolResult(result) => {
                self.losses_in_a_row = 0;
                let call = self.main.tool_answered(result);
                self.in_run(event, |run| run.tool_answered(result, call));
                if let Some(path) = &result.wrote
                    && self.written.len() < MAX_WRITTEN
                {
                    Arc::make_mut(&mut self.written).insert(path.clone());
                }
            }
            EventBody::TodoUpdated(updated) => self.todo.clone_from(&updated.items),
            // The opening of the new conversation contains the instructions of the root only: those of other directories
            // have to be passed on again.
            EventBody::ContextChanged(changed) => {
                self.instructions.retain(|directory| directory == ".");
                self.main.compacted(changed);
            }

            EventBody::CheckStarted(started) => self.in_run(event, |run| run.verifying.started(started)),
            EventBody::CheckFinished(finished) => self.in_run(event, |run| {
                run.verifying.finished(finished);
                run.progressed();
            }),
            EventBody::VerificationRecorded(recorded) => {
                self.in_run(event, |run| run.verifying.recorded(&recorded.verification));
            }
            EventBody::FileChanged(changed) => self.file_changed(changed),
            EventBody::WorkspaceCheckpoint(checkpoint) => self.checkpoint = Some(checkpoint.clone()),
            EventBody::WorkspaceCheckpointFailed(failed) => {
                self.in_run(event, |run| run.checkpoint_failed = Some(failed.reason.clone()));
            }
            EventBody::ChangesetCollected(collected) => {
                let verification = self.verification().cloned();
                self.in_run(event, |run| {
                    run.changeset = Some(collected.clone());
                    run.verification = verification;
                });
            }
            EventBody::PublishStarted(started) => {
                self.in_run(event, |run| run.publishing = Some((started.clone(), event.at)));
            }
            EventBody::BranchPublished(published) => self.branch_published(event, published),
            EventBody::PrOpened(opened) => self.pull_request = Some(opened.clone()),

            // For viewers only.
            EventBody::CloneProgress(_)
            | EventBody::AiThinking(_)
            | EventBody::BudgetExhausted(_)
            | EventBody::PrUpdated(_)
            | EventBody::UsageUpdated(_)
            | EventBody::ScoreRecorded(_)
            | EventBody::SessionError(_) => {}
        }
    }

    /// Changes the run that the event belongs to.
    fn in_run(&mut self, event: &Event, change: impl FnOnce(&mut RunState)) {
        if let Some(run) = self.runs.iter_mut().rev().find(|run| run.number == event.run) {
            change(run);
        }
    }

    fn conversation_mut(&mut self, conversation: Conversation) -> &mut ConversationState {
        match conversation {
            Conversation::Plan => &mut self.planning,
            Conversation::Main => &mut self.main,
        }
    }

    fn start_run(&mut self, event: &Event, started: &RunStarted) {
        // Only in logs of earlier versions the run before may have kept it.
        self.leave_sandbox();
        self.runs.push(RunState::new(event, started));
        self.losses_in_a_row = 0;
        self.rebase_onto = None;
        self.planning.new_run(event.seq);
        self.main.new_run(event.seq);
    }

    fn sandbox_created(&mut self, created: &SandboxCreated) {
        self.leave_sandbox();
        self.sandboxes += 1;
        let (id, handle) = (created.sandbox.clone(), created.handle.clone());
        let stage = SandboxStage::Preparing;
        self.sandbox = Some(SandboxState { id, handle, stage, base: None, network_requests: 0, setup: None });
    }

    fn network_asked(&mut self, sandbox: &SandboxId) {
        if let Some(sandbox) = self.sandbox_named(sandbox) {
            sandbox.network_requests += 1;
        }
    }

    fn git_operation(&mut self, event: &Event, operated: &GitOperation) {
        match operated.operation {
            GitAction::Clone => {
                self.in_run(event, RunState::progressed);
                let base = Base {
                    repository: operated.repository.clone(),
                    branch: operated.branch.clone().unwrap_or_default(),
                    commit: operated.commit.clone(),
                };
                if let Some(sandbox) = &mut self.sandbox {
                    sandbox.base = Some(base.clone());
                }
                if self.target_branch.is_none() {
                    self.target_branch.clone_from(&operated.branch);
                }
                self.base = Some(base);
            }
            GitAction::BaseMoved => {
                self.rebase_onto.clone_from(&operated.commit);
                self.in_run(event, RunState::base_moved);
            }
            GitAction::Commit | GitAction::UpdateBranch => {}
        }
    }

    fn instructions_read(&mut self, read: &InstructionsRead) {
        self.instructions.insert(read.directory.clone());
        if read.directory == "." {
            self.root_instructions.push(Arc::new(read.clone()));
        }
    }

    fn message(&mut self, event: &Event, message: &UserMessage) {
        self.conversation_mut(message.conversation).message(event.seq, message);
        match message.author {
            Author::User => {
                self.last_user_message = Some(event.seq);
                self.remember_user_text(event.seq, message);
                self.in_run(event, |run| {
                    run.recent_calls.clear();
                    run.progressed();
                });
            }
            Author::Checks => self.in_run(event, |run| run.told_of_checks += 1),
            Author::LeftOut => self.in_run(event, |run| run.told_of_left_out += 1),
            Author::Brief | Author::Nudge | Author::Instructions | Author::Conflict | Author::Compaction => {}
        }
    }

    /// Drops the oldest texts as soon as the later ones alone have [`MAX_USER_TEXT_CHARACTERS`], so that the state does not grow
    /// with the log.
    fn remember_user_text(&mut self, seq: Seq, message: &UserMessage) {
        let (text, answers) = (Arc::from(message.text.as_str()), message.answers.is_some());
        self.user_texts.push_back(UserText { seq, text, answers });
        let mut characters: usize = self.user_texts.iter().map(UserText::characters).sum();
        while let Some(oldest) = self.user_texts.front().map(UserText::characters)
            && characters - oldest >= MAX_USER_TEXT_CHARACTERS
        {
            characters -= oldest;
            self.user_texts.pop_front();
        }
    }

    fn wait_ended(&mut self, event: &Event, ended: &WaitEnded) {
        if let Some(WaitReason::Question { call, .. }) = self.wait.take().map(|wait| wait.reason)
            && ended.outcome == WaitOutcome::Expired
        {
            self.main.unanswered(&call);
        }
        self.in_run(event, |run| run.wait_outcome = Some(ended.outcome));
    }

    fn file_changed(&mut self, changed: &FileChanged) {
        let files = Arc::make_mut(&mut self.changed_files);
        match changed.change {
            FileChangeKind::Restored => {
                files.remove(&changed.path);
            }
            FileChangeKind::Written | FileChangeKind::Deleted => {
                files.insert(changed.path.clone(), changed.change);
            }
        }
    }

    /// The published change is in the branch, from which the next run starts: so the checkpoint is obsolete.
    fn branch_published(&mut self, event: &Event, published: &BranchPublished) {
        self.branch = Some(published.clone());
        self.checkpoint = None;
        self.written = Arc::default();
        if self.published_from.is_none() {
            self.published_from = Some(self.base.as_ref().and_then(|base| base.commit.clone()));
        }
        self.changed_files = Arc::default();
        self.in_run(event, |run| run.published = true);
    }
}
