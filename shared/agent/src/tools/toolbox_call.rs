//! Tool calls that the toolbox inside the sandbox carries out.

use domain::ports::ExitStatus;

use crate::workspace::{ExecOutcome, WorkspaceError};

use super::tool::{Answer, Progress, Scope};

/// Runs `call` in the toolbox and answers with its text.
pub(super) async fn run(scope: &Scope<'_>, call: toolbox::Call) -> Result<Progress, WorkspaceError> {
    let exec = scope.workspace.toolbox_exec(scope.exec.clone(), call, scope.limits.toolbox)?;
    let exit = match scope.workspace.run(&exec, scope.wait).await? {
        ExecOutcome::Running => return Ok(Progress::Running),
        ExecOutcome::CutOff => return Ok(Answer::cut_off().into()),
        ExecOutcome::Finished(exit) => exit,
    };
    match exit.status {
        ExitStatus::TimedOut => {
            let seconds = scope.limits.toolbox.as_secs();
            return Ok(Answer::failed(format!("The call was stopped because it took more than {seconds} s.")).into());
        }
        ExitStatus::Killed => return Ok(Answer::failed("The call was stopped because the run was cancelled.").into()),
        ExitStatus::Exited(_) | ExitStatus::Signalled(_) => {}
    }
    let answer = match scope.workspace.toolbox_answer(&exec.id, &exit).await? {
        Ok(answer) => Answer::ok(scope.redacted(text(&answer)?)),
        Err(failure) => Answer::failed(scope.redacted(&failure.message)),
    };
    Ok(answer.into())
}

/// The text of an answer, for the model.
fn text(answer: &toolbox::Answer) -> Result<&str, WorkspaceError> {
    match answer {
        toolbox::Answer::View(viewed) => Ok(&viewed.text),
        toolbox::Answer::Create(edited) | toolbox::Answer::StrReplace(edited) | toolbox::Answer::Insert(edited) => {
            Ok(&edited.text)
        }
        toolbox::Answer::Glob(globbed) => Ok(&globbed.text),
        toolbox::Answer::Grep(grepped) => Ok(&grepped.text),
        toolbox::Answer::Survey(_)
        | toolbox::Answer::Instructions(_)
        | toolbox::Answer::Baseline(_)
        | toolbox::Answer::Collect(_)
        | toolbox::Answer::Restore(_)
        | toolbox::Answer::Rebase(_) => {
            Err(WorkspaceError::Toolbox("it answered a tool call with the answer of another operation".to_owned()))
        }
    }
}
