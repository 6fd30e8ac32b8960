//! What a log says, put together: a pure fold over events.

mod conversation;
mod run;

pub use conversation::{CallState, ConversationState, ReplyState, TurnState};
pub use run::{OpenStep, RunState};

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Approver, Author, BlobRef, BranchPublished, CommitId, Conversation, Decision, Event, EventBody, FileChangeKind,
    GitAction, Layout, Plan, PlanId, PrOpened, RepositorySurveyed, RunNumber, SandboxId, Seq, Session, Status, Step,
    Todo, WaitStarted, WorkspaceCheckpoint,
};

/// An event that must not follow what the log already says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is not possible here: {reason}")]
pub struct IllegalEvent {
    /// The kind of the event.
    pub kind: &'static str,
    /// Why not.
    pub reason: String,
}

/// The commit that a change is measured against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The forge's name of the repository.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit; none when the repository is empty.
    pub commit: Option<CommitId>,
}

/// The sandbox of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxState {
    /// Its id.
    pub id: SandboxId,
    /// Where things are inside.
    pub layout: Layout,
    /// Whether the workspace in it is ready.
    pub ready: bool,
    /// The commit that was cloned into it.
    pub base: Option<Base>,
}

/// The plan that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanState {
    /// Its name.
    pub id: PlanId,
    /// What it says.
    pub content: Plan,
    /// Who approved it, if anybody.
    pub approved: Option<Approver>,
}

/// A session as its log tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionState {
    /// The last event.
    pub tail: Seq,
    /// What is fixed about the session.
    pub session: Option<Session>,
    /// Its runs, oldest first.
    pub runs: Vec<RunState>,
    /// What was found in the repository.
    pub survey: Option<RepositorySurveyed>,
    /// Directories whose instructions were read.
    pub instructions: BTreeSet<String>,
    /// The plan that counts.
    pub plan: Option<PlanState>,
    /// The sandbox, unless it is gone.
    pub sandbox: Option<SandboxState>,
    /// How many sandboxes the session has had.
    pub sandboxes: u32,
    /// The commit that the change is measured against.
    pub base: Option<Base>,
    /// The latest checkpoint.
    pub checkpoint: Option<WorkspaceCheckpoint>,
    /// The plan's conversation.
    pub planning: ConversationState,
    /// The conversation that does the work.
    pub main: ConversationState,
    /// The model's to-do list.
    pub todo: Vec<Todo>,
    /// Decisions that the model stated while it worked.
    pub decisions: Vec<Decision>,
    /// Files that differ from the base, as far as checkpoints told.
    pub changed_files: BTreeMap<String, FileChangeKind>,
    /// What a person is asked at the moment.
    pub wait: Option<WaitStarted>,
    /// The branch with the change.
    pub branch: Option<BranchPublished>,
    /// The commit that the first published change was measured against; the outer none when nothing is published.
    pub published_from: Option<Option<CommitId>>,
    /// The pull request.
    pub pull_request: Option<PrOpened>,
    /// Whether the base branch had moved in a conflicting way: the commit to go on from.
    pub rebase_onto: Option<CommitId>,
    /// The last message of a person that is meant for a run.
    pub last_user_message: Option<Seq>,
}

impl SessionState {
    /// What a log says.
    pub fn of(events: &[Event]) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// The latest run.
    pub fn run(&self) -> Option<&RunState> {
        self.runs.last()
    }

    /// A run by its number.
    pub fn run_number(&self, run: RunNumber) -> Option<&RunState> {
        self.runs.iter().find(|candidate| candidate.number == run)
    }

    /// One of the two conversations.
    pub fn conversation(&self, conversation: Conversation) -> &ConversationState {
        match conversation {
            Conversation::Plan => &self.planning,
            Conversation::Main => &self.main,
        }
    }

    /// Whether `body` may follow in `run`.
    pub fn check(&self, run: RunNumber, body: &EventBody) -> Result<(), IllegalEvent> {
        let illegal = |reason: String| Err(IllegalEvent { kind: body.kind(), reason });
        match body {
            EventBody::SessionCreated(_) if self.session.is_some() => illegal("the session exists".to_owned()),
            EventBody::SessionCreated(_) => Ok(()),
            EventBody::RunStarted(_) => match self.run() {
                Some(last) if !last.status.is_terminal() => illegal(format!("run {} is not over", last.number)),
                last if run != last.map_or(RunNumber(1), |last| last.number.next()) => {
                    illegal(format!("{run} is not the number of the next run"))
                }
                _ => Ok(()),
            },
            body => {
                let Some(current) = self.run_number(run) else {
                    return illegal(format!("there is no run {run}"));
                };
                if current.status.is_terminal() {
                    return illegal(format!("run {run} is {}", current.status));
                }
                let next = match body {
                    EventBody::SessionStatus(changed) if changed.status.is_terminal() => {
                        return illegal("only run.finished ends a run".to_owned());
                    }
                    EventBody::SessionStatus(changed) => changed.status,
                    EventBody::RunFinished(finished) if !finished.status.is_terminal() => {
                        return illegal(format!("{} ends no run", finished.status));
                    }
                    EventBody::RunFinished(finished) => finished.status,
                    _ => return Ok(()),
                };
                if current.status.may_become(next) {
                    Ok(())
                } else {
                    illegal(format!("a run does not go from {} to {next}", current.status))
                }
            }
        }
    }

    /// Takes in the next event.
    pub fn apply(&mut self, event: &Event) {
        self.tail = event.seq;
        if let EventBody::RunStarted(started) = &event.body {
            self.runs.push(RunState::new(event, started));
            self.rebase_onto = None;
        }
        if let Some(run) = self.runs.iter_mut().find(|run| run.number == event.run) {
            run.apply(event);
        }
        self.planning.apply(Conversation::Plan, event);
        self.main.apply(Conversation::Main, event);
        match &event.body {
            EventBody::SessionCreated(created) => self.session = Some(created.session.clone()),
            EventBody::RepositorySurveyed(surveyed) => self.survey = Some(surveyed.clone()),
            EventBody::InstructionsRead(read) => {
                self.instructions.insert(read.directory.clone());
            }
            EventBody::PlanCreated(created) => {
                self.plan =
                    Some(PlanState { id: created.plan.clone(), content: created.content.clone(), approved: None });
            }
            EventBody::PlanApproved(approved) => {
                if let Some(plan) = self.plan.as_mut().filter(|plan| plan.id == approved.plan) {
                    plan.approved = Some(approved.by);
                }
            }
            EventBody::SandboxCreated(created) => {
                self.sandboxes += 1;
                self.sandbox = Some(SandboxState {
                    id: created.sandbox.clone(),
                    layout: created.layout.clone(),
                    ready: false,
                    base: None,
                });
            }
            EventBody::SandboxAttached(attached) => {
                if let Some(sandbox) = self.sandbox.as_mut().filter(|sandbox| sandbox.id == attached.sandbox) {
                    sandbox.ready = true;
                }
            }
            EventBody::SandboxLost(lost) => self.forget_sandbox(&lost.sandbox),
            EventBody::SandboxTerminated(terminated) => self.forget_sandbox(&terminated.sandbox),
            EventBody::GitOperation(operated) => match operated.operation {
                GitAction::Clone => {
                    let base = Base {
                        repository: operated.repository.clone(),
                        branch: operated.branch.clone().unwrap_or_default(),
                        commit: operated.commit.clone(),
                    };
                    if let Some(sandbox) = &mut self.sandbox {
                        sandbox.base = Some(base.clone());
                    }
                    self.base = Some(base);
                }
                GitAction::BaseMoved => self.rebase_onto.clone_from(&operated.commit),
                GitAction::Commit | GitAction::UpdateBranch => {}
            },
            EventBody::WorkspaceCheckpoint(checkpoint) => self.checkpoint = Some(checkpoint.clone()),
            EventBody::TodoUpdated(updated) => self.todo.clone_from(&updated.items),
            EventBody::DecisionRecorded(recorded) if event.writer.is_some_and(|by| by.step == Step::ExecuteTool) => {
                self.decisions.push(recorded.decision.clone());
            }
            EventBody::FileChanged(changed) if changed.change == FileChangeKind::Restored => {
                self.changed_files.remove(&changed.path);
            }
            EventBody::FileChanged(changed) => {
                self.changed_files.insert(changed.path.clone(), changed.change);
            }
            // Only what opens the new conversation has been handed on in it.
            EventBody::ContextChanged(_) => self.instructions.retain(|directory| directory == "."),
            EventBody::WaitStarted(started) => self.wait = Some(started.clone()),
            EventBody::WaitEnded(_) | EventBody::RunFinished(_) => self.wait = None,
            EventBody::UserMessage(message) if message.author == Author::User => {
                self.last_user_message = Some(event.seq);
            }
            // What is published is in the branch; the next run starts from there.
            EventBody::BranchPublished(published) => {
                self.branch = Some(published.clone());
                self.checkpoint = None;
                if self.published_from.is_none() {
                    self.published_from = Some(self.base.as_ref().and_then(|base| base.commit.clone()));
                }
                self.changed_files.clear();
            }
            EventBody::PrOpened(opened) => self.pull_request = Some(opened.clone()),
            _ => {}
        }
    }

    fn forget_sandbox(&mut self, id: &SandboxId) {
        if self.sandbox.as_ref().is_some_and(|sandbox| sandbox.id == *id) {
            self.sandbox = None;
        }
    }

    /// Whether there is a plan, and it may be carried out.
    pub fn has_approved_plan(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.approved.is_some())
    }

    /// Where the latest change is kept, published or not.
    pub fn latest_change(&self) -> Option<&BlobRef> {
        let published =
            || self.runs.iter().rev().find_map(|run| run.changeset.as_ref()).map(|changeset| &changeset.blob);
        self.checkpoint.as_ref().map(|checkpoint| &checkpoint.blob).or_else(published)
    }

    /// The status of the latest run.
    pub fn status(&self) -> Option<Status> {
        self.run().map(|run| run.status)
    }
}
