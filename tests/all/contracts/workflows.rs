//! The contract of workflow engines.

use std::path::Path;

use domain::ports::{ExecutionState, Sessions as _, Workflows};
use domain::{ExecutionName, RunNumber, StepOutput, TaskToken, UncheckedRequest, Verdict};
use local::{DriveOutcome, Engine, SessionLocks};

use super::second_process;
use crate::support::{Home, bash, ends, repository, run_session_in, script, session_id, settings, store, world};

fn answer() -> StepOutput {
    StepOutput::new(Verdict::Rejected)
}

/// `waiting` is an execution that waits.
async fn first(workflows: &dyn Workflows, waiting: &ExecutionName) {
    let unknown = ExecutionName { session: session_id(9), run: RunNumber(1) };
    assert_eq!(workflows.state(&unknown).await.unwrap(), ExecutionState::Unknown);
    workflows.stop(&unknown, "it never ran").await.unwrap();
    workflows.forget(&unknown.session).await.unwrap();
    let made_up = TaskToken("made up".to_owned());
    assert!(!workflows.complete(&made_up, &answer()).await.unwrap(), "nobody waits for it");

    assert_eq!(workflows.state(waiting).await.unwrap(), ExecutionState::Running);
    workflows.start(waiting).await.unwrap();
    workflows.start(waiting).await.unwrap();
    assert_eq!(workflows.state(waiting).await.unwrap(), ExecutionState::Running);
}

/// In another process: the execution is the same, and the token is accepted once.
async fn second(workflows: &dyn Workflows, waiting: &ExecutionName, token: &TaskToken) {
    assert_eq!(workflows.state(waiting).await.unwrap(), ExecutionState::Running);
    workflows.start(waiting).await.unwrap();
    assert!(workflows.complete(token, &answer()).await.unwrap());
    assert!(!workflows.complete(token, &answer()).await.unwrap());
}

async fn after(workflows: &dyn Workflows, waiting: &ExecutionName, token: &TaskToken) {
    assert!(!workflows.complete(token, &answer()).await.unwrap(), "the second process has answered");
    workflows.stop(waiting, "the suite is over").await.unwrap();
    workflows.stop(waiting, "once more").await.unwrap();
    assert_eq!(workflows.state(waiting).await.unwrap(), ExecutionState::Ended);
    workflows.start(waiting).await.unwrap();
    assert_eq!(workflows.state(waiting).await.unwrap(), ExecutionState::Ended, "a name is started once");
    workflows.forget(&waiting.session).await.unwrap();
    workflows.forget(&waiting.session).await.unwrap();
    assert_ne!(workflows.state(waiting).await.unwrap(), ExecutionState::Running);
}

/// The only session in a directory, and the token it waits with.
async fn waiting(directory: &Path) -> (Engine, ExecutionName, TaskToken) {
    let store = store(directory);
    let session = store.list(None, None, 1).await.unwrap().remove(0).id;
    let token = store.token(&session, RunNumber(1)).await.unwrap().unwrap();
    let locks = SessionLocks::new(&directory.join("locks")).unwrap();
    (Engine::new(store, locks), ExecutionName { session, run: RunNumber(1) }, token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_interpreter_fulfils_the_contract_of_workflows() {
    if let Some(directory) = second_process::directory() {
        let (engine, execution, token) = waiting(&directory).await;
        return second(&engine, &execution, &token).await;
    }
    let home = Home::new();
    let directory = home.beside("data");
    let world = world(settings(&directory, &[]));
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let request =
        UncheckedRequest { prompt: "Add two.".to_owned(), require_plan_approval: true, ..UncheckedRequest::default() };
    let script = script(&[bash("echo two >> a.txt"), ends()]);
    let event_log = std::sync::Arc::new(world.store.clone());
    let run = run_session_in(&world, &checkout, request, &script, event_log).await;
    assert_eq!(run.outcome, DriveOutcome::AwaitingUser);

    let (engine, execution, token) = waiting(&directory).await;
    first(&engine, &execution).await;
    second_process::run("contracts::workflows::the_interpreter_fulfils_the_contract_of_workflows", &directory);
    after(&engine, &execution, &token).await;
}
