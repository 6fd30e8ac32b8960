//! The home and the temporary files of the checks: nothing that the model's commands left outside the workspace counts.

use std::time::Duration;

use domain::ExecId;
use domain::state::SetupStage;
use sandbox_protocol::{Exec, Exit, ExitStatus, Program};

use crate::command_environment::command_environment;
use crate::context::{Context, internal};
use crate::workspace::{ExecOutcome, HOME_ARCHIVE, MAX_HOME_BYTES, Workspace, WorkspaceError};

/// The scripts' values are arguments, so that the shell interprets none of them.
const FRESH: &str = include_str!("fresh_home.sh");
const OWN: &str = include_str!("own_home.sh");

/// The directory that the model's files are moved into, in its home and beside its temporary files.
const ASIDE: &str = ".before-the-checks";

/// Time limit of each of the scripts: what there is to delete or to unpack may be large.
const TIMEOUT: Duration = Duration::from_secs(240);

/// Gives the checks a home as the set-up left it and an empty directory for temporary files. The answer is a clause that says why
/// that cannot be done.
pub(super) async fn freshen(context: &Context, workspace: &Workspace) -> Result<Option<String>, WorkspaceError> {
    let archive = match has_set_up(context) {
        false => String::new(),
        true if is_archived(workspace).await? => format!("{}/{HOME_ARCHIVE}/stdout", workspace.layout().outputs),
        true => return Ok(Some("the home directory could not be kept as the set-up left it".to_owned())),
    };
    let done = run(context, workspace, "fresh-home", FRESH, &archive).await?;
    Ok((!done).then(|| "no clean home directory could be made for it".to_owned()))
}

/// Gives the model its files back. False when that cannot be done.
pub(super) async fn give_back(context: &Context, workspace: &Workspace) -> Result<bool, WorkspaceError> {
    run(context, workspace, "own-home", OWN, "").await
}

fn has_set_up(context: &Context) -> bool {
    context.log.state().sandbox.as_ref().is_some_and(|sandbox| sandbox.setup == Some(SetupStage::Finished))
}

/// Whether the archive that was made after the set-up is whole.
async fn is_archived(workspace: &Workspace) -> Result<bool, WorkspaceError> {
    let id: ExecId = HOME_ARCHIVE.parse().map_err(internal)?;
    Ok(match workspace.wait(&id, Duration::ZERO).await? {
        ExecOutcome::Finished(Exit { status: ExitStatus::Exited(0), stdout_bytes, .. }, _) => {
            stdout_bytes <= MAX_HOME_BYTES
        }
        ExecOutcome::Finished(..) | ExecOutcome::CutOff | ExecOutcome::Running => false,
    })
}

async fn run(
    context: &Context,
    workspace: &Workspace,
    name: &str,
    script: &str,
    archive: &str,
) -> Result<bool, WorkspaceError> {
    let argv = ["/bin/sh", "-c", script, name, ASIDE, archive].map(str::to_owned).to_vec();
    let id = format!("{name}-{}", context.common.ids.span());
    let program = Program::Command(argv);
    let exec = Exec { environment: command_environment(), timeout: TIMEOUT, ..Exec::new(id, program) };
    Ok(match workspace.run(exec, &[], TIMEOUT, 0).await? {
        ExecOutcome::Finished(Exit { status, .. }, _) => status == ExitStatus::Exited(0),
        ExecOutcome::CutOff => return Err(WorkspaceError::SandboxLost(format!("{name} was cut off"))),
        ExecOutcome::Running => false,
    })
}
