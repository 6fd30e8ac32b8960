//! Reports how a session stands, and what the user can do next.

use domain::state::SessionState;
use domain::{SessionId, Status};

use super::output::Output;
use super::progress::how_to_answer;
use crate::driver::DriveOutcome;
use crate::world::World;

/// Reports how driving or watching a session ended.
pub(super) async fn outcome(
    world: &World,
    session: &SessionId,
    outcome: DriveOutcome,
    output: &Output,
) -> anyhow::Result<()> {
    match outcome {
        DriveOutcome::AwaitingUser | DriveOutcome::Ended(Status::Done | Status::Cancelled) => {
            state(world, world.log(session).await?.state(), output)
        }
        // The run's last event has said why, and nothing was published.
        DriveOutcome::Ended(_) => Ok(()),
        DriveOutcome::Interrupted => {
            output.result(&format!("\nInterrupted. Resume with: backspace sessions resume {session}"));
            Ok(())
        }
    }
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
