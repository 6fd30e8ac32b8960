//! Reports how a session stands, and what the user can do next.

use domain::state::SessionState;
use domain::{SessionId, Status};

use super::exit::ExitCode;
use super::output::Output;
use super::progress::how_to_answer;
use crate::driver::DriveOutcome;
use crate::world::World;

/// Reports how driving or watching a session ended. Returns the exit code that says the same.
pub(super) async fn outcome(
    world: &World,
    session: &SessionId,
    outcome: DriveOutcome,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let log = world.log(session).await?;
    let finished = log.state().run().and_then(|run| run.finished.as_ref());
    let left_out = finished.map(|finished| finished.left_out.as_slice()).unwrap_or_default();
    match outcome {
        DriveOutcome::AwaitingUser | DriveOutcome::Ended(Status::Done | Status::Cancelled) => {
            state(world, log.state(), output)?;
        }
        // The run's last event has said why. A run that failed may have published what it had by then.
        DriveOutcome::Ended(_) if finished.is_some_and(|finished| finished.branch.is_some()) => {
            state(world, log.state(), output)?;
        }
        DriveOutcome::Ended(_) => {}
        DriveOutcome::Interrupted => {
            output.result(&format!("\nInterrupted. Resume with: backspace sessions resume {session}"));
        }
    }
    for file in left_out {
        output.result(&format!("not published {file}"));
    }
    Ok(ExitCode::of(outcome, left_out))
}

/// Reports what a session waits for, and what it has published.
pub(super) fn state(world: &World, state: &SessionState, output: &Output) -> anyhow::Result<()> {
    if let (Some(wait), Some(session)) = (&state.wait, &state.session) {
        output.result(&format!("\nThe session waits for your answer until {}:", wait.deadline));
        output.result(&how_to_answer(&session.id, &wait.reason));
    }
    let (Some(branch), Some(base)) = (&state.branch, &state.base) else { return Ok(()) };
    if let Some(opened) = &state.pull_request {
        output.result(&format!("\npull request  {}", opened.pr_url));
        if let Some(reason) = &opened.draft {
            output.result(&format!("draft         {reason}"));
        }
        if let Some(record) = world.forge.pull_request(&base.repository, opened.number)? {
            output.result(&record.stat);
        }
    }
    let repository = world.forge.repository_of(&base.repository).display().to_string();
    // Quoted for a shell.
    let repository = repository.replace('\'', "'\\''");
    output.result(&format!("branch        {}", branch.branch));
    output.result(&format!("fetch it with git fetch '{repository}' {}", branch.branch));
    Ok(())
}
