//! Tool calls that the toolbox inside the sandbox carries out.

use sandbox_protocol::ExitStatus;

use crate::workspace::{RecordedCall, WorkspaceError};

use super::tool::{Answer, Progress, Scope};

/// Runs `call` in the toolbox and answers with its text.
pub(super) async fn run(scope: &Scope<'_>, call: toolbox::Call) -> Result<Progress, WorkspaceError> {
    let called = scope.workspace.recorded_call(&scope.exec, &call, scope.limits.toolbox, scope.wait);
    let answer = match called.await? {
        RecordedCall::Running => return Ok(Progress::Running),
        RecordedCall::CutOff => Answer::cut_off(),
        RecordedCall::Ended(status) => Answer::failed(match status {
            ExitStatus::TimedOut => {
                format!("The call was stopped because it took more than {} s.", scope.limits.toolbox.as_secs())
            }
            ExitStatus::Killed => "The call was stopped because the run was cancelled.".to_owned(),
            ExitStatus::Exited(_) | ExitStatus::Signalled(_) => {
                "The process that reads and edits files died during this call, perhaps because a file needs more memory than it \
                 may use. How much of the call was carried out is unknown: check the file before you try again, with a smaller \
                 part of it."
                    .to_owned()
            }
        }),
        RecordedCall::Answered(answer) => match *answer {
            Ok(answer) => Answer { wrote: wrote(&answer), ..Answer::ok(scope.redacted(text(&answer)?)) },
            // The program was updated while the sandbox lived. No call of the model has anything to do with it.
            Err(failure) if failure.kind == toolbox::ErrorKind::Version => {
                return Err(WorkspaceError::SandboxLost("its toolbox is of another version".to_owned()));
            }
            Err(failure) => Answer::failed(scope.redacted(&failure.message)),
        },
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
        | toolbox::Answer::Settle(_)
        | toolbox::Answer::Collect(_)
        | toolbox::Answer::Rebase(_)
        | toolbox::Answer::PutBack(_) => {
            Err(WorkspaceError::Toolbox("it answered a tool call with the answer of another operation".to_owned()))
        }
    }
}

/// The path of the file that a call wrote.
fn wrote(answer: &toolbox::Answer) -> Option<String> {
    match answer {
        toolbox::Answer::Create(edited) | toolbox::Answer::StrReplace(edited) | toolbox::Answer::Insert(edited) => {
            Some(edited.path.clone())
        }
        toolbox::Answer::View(_)
        | toolbox::Answer::Glob(_)
        | toolbox::Answer::Grep(_)
        | toolbox::Answer::Survey(_)
        | toolbox::Answer::Instructions(_)
        | toolbox::Answer::Baseline(_)
        | toolbox::Answer::Settle(_)
        | toolbox::Answer::Collect(_)
        | toolbox::Answer::Rebase(_)
        | toolbox::Answer::PutBack(_) => None,
    }
}
