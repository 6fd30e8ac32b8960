//! The call that asks the user.

use domain::{StepOutput, ToolOutcome, ToolResult, Verdict, WaitReason};

use super::{ExecuteTool, RESERVE};
use crate::context::Context;
use crate::tool_call::{CallEnd, OpenCall};
use crate::verdicts;
use crate::workspace::{Workspace, WorkspaceError};

impl ExecuteTool {
    /// Asks the user the first of the reply's questions, after all its other calls: the run stops here until the answer.
    pub(super) async fn ask_user(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        questions: Vec<OpenCall>,
    ) -> Result<StepOutput, WorkspaceError> {
        let mut questions = questions.into_iter();
        let Some(first) = questions.next() else { return Ok(StepOutput::new(Verdict::Turn)) };
        for further in questions {
            let output = "This question was not asked: ask one question at a time. Ask again if it is still open.";
            context.closing.push(without_answer(&further, output).into());
        }
        if context.log.state().main.open_calls().any(|call| call.id == first.id && call.unanswered) {
            let output = "The user did not answer in time. Decide yourself, and say so at the end.";
            context.closing.push(without_answer(&first, output).into());
            return Ok(StepOutput::new(Verdict::Turn));
        }
        let wait = context.time_left().saturating_sub(RESERVE / 2);
        match first.run(context, workspace, &self.limits, wait).await? {
            CallEnd::Asks(question) => {
                Ok(verdicts::ask_user(context, WaitReason::Question { call: first.id.clone(), question }))
            }
            CallEnd::Answered(answer, _) => {
                context.closing.push(without_answer(&first, &answer.output).into());
                Ok(StepOutput::new(Verdict::Turn))
            }
            CallEnd::Running => Ok(StepOutput::new(Verdict::Tools)),
        }
    }
}

/// The result of a question without an answer of the user.
fn without_answer(call: &OpenCall, output: &str) -> ToolResult {
    ToolResult::without_run(call.turn, call.id.clone(), call.name.clone(), ToolOutcome::Failed, output)
}
