//! The messages that open a conversation with the model.

use std::fmt::Write as _;

use domain::state::{MAX_USER_TEXT_CHARACTERS, SessionState, SetupState, UserText};
use domain::{
    FileChangeKind, Network, ProjectType, RepositorySurveyed, Seq, SetupOutcome, StepError, TodoStatus, name_invisible,
};

use crate::context::internal;

/// Maximum commit subjects that the plan's conversation is shown.
const MAX_SUBJECTS: usize = 15;

/// Maximum changed files that are named.
const MAX_FILES: usize = 200;

fn guidance(project: ProjectType) -> &'static str {
    match project {
        ProjectType::Web => include_str!("prompts/projects/web.md"),
        ProjectType::DataScience => include_str!("prompts/projects/data-science.md"),
        ProjectType::Frontend => include_str!("prompts/projects/frontend.md"),
        ProjectType::Devops => include_str!("prompts/projects/devops.md"),
        ProjectType::General => include_str!("prompts/projects/general.md"),
    }
}

/// Opens the plan's conversation: the task, the survey, the repository's instructions, a list of files.
pub(crate) fn for_plan(state: &SessionState, tree: &str) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state)?;
    if let Some(surveyed) = &state.survey {
        survey(&mut text, surveyed);
        sandbox(&mut text, state);
        subjects(&mut text, surveyed);
    }
    instructions(&mut text, state);
    if !tree.is_empty() {
        section(&mut text, "Files", &untrusted(tree));
    }
    Ok(name_invisible(&text).into_owned())
}

/// Opens the main conversation: the task, the survey, the repository's instructions, the plan.
pub(crate) fn for_main(state: &SessionState) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state)?;
    project(&mut text, state);
    Ok(name_invisible(&text).into_owned())
}

/// Opens the conversation that follows a compaction. In addition to [`for_main`] it holds the user's messages up to `covered`,
/// `note` on the state of the work, the to-do list and the changed files: the model sees nothing of the old conversation.
pub(crate) fn after_compaction(state: &SessionState, covered: Seq, note: &str) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state)?;
    user_messages(&mut text, state, covered);
    project(&mut text, state);
    section(&mut text, "Where the work stands", note.trim());
    if !state.todo.is_empty() {
        let mut lines = String::new();
        for item in &state.todo {
            let status = match item.status {
                TodoStatus::Pending => "open",
                TodoStatus::InProgress => "in progress",
                TodoStatus::Completed => "done",
            };
            let _ = writeln!(lines, "- {} ({status})", item.content);
        }
        section(&mut text, "Your to-do list", lines.trim_end());
    }
    section(&mut text, "Files changed so far", &changed_files(state));
    Ok(name_invisible(&text).into_owned())
}

/// The user's messages up to `covered`, verbatim. When they exceed the limit the oldest are left out. Later messages are not
/// repeated here: the new conversation receives them as its own.
fn user_messages(text: &mut String, state: &SessionState, covered: Seq) {
    let mut left = MAX_USER_TEXT_CHARACTERS;
    let mut messages = Vec::new();
    // An answer to a question was sent as the result of its tool call, which the new conversation does not contain.
    let is_covered = |message: &&UserText| message.seq <= covered || message.answers;
    for message in state.user_texts.iter().rev().filter(is_covered) {
        if left == 0 {
            break;
        }
        let trimmed = message.text.trim();
        let beginning: String = trimmed.chars().take(left).collect();
        let is_whole = beginning.len() == trimmed.len();
        left -= beginning.chars().count();
        messages.push(if is_whole {
            beginning
        } else {
            format!("{beginning}\n(The rest of this message was cut off.)")
        });
    }
    for message in messages.into_iter().rev() {
        section(text, "Later message from the user", &message);
    }
}

fn changed_files(state: &SessionState) -> String {
    if state.changed_files.is_empty() {
        return "None.".to_owned();
    }
    let mut lines = String::new();
    for (path, change) in state.changed_files.iter().take(MAX_FILES) {
        let deleted = if *change == FileChangeKind::Deleted { " (deleted)" } else { "" };
        let _ = writeln!(lines, "- {path}{deleted}");
    }
    let more = state.changed_files.len().saturating_sub(MAX_FILES);
    if more > 0 {
        let _ = writeln!(lines, "- and {more} more");
    }
    untrusted(lines.trim_end())
}

/// The survey, the guidance for the kind of project, the repository's instructions and the plan.
fn project(text: &mut String, state: &SessionState) {
    if let Some(surveyed) = &state.survey {
        survey(text, surveyed);
        sandbox(text, state);
        section(text, "Guidance for this kind of project", guidance(surveyed.survey.project_type).trim());
    }
    instructions(text, state);
    if let Some(plan) = &state.plan {
        let plan = &plan.content;
        let mut lines = format!("{}\n\n{}\n", plan.title, plan.summary);
        for (step, number) in plan.steps.iter().zip(1..) {
            let _ = write!(lines, "\n{number}. {step}");
        }
        if !plan.risks.is_empty() {
            let _ = write!(lines, "\n\nRisks: {}", plan.risks.join("; "));
        }
        if let Some(checks) = plan.checks.as_ref().filter(|checks| !checks.is_empty()) {
            let _ = write!(
                lines,
                "\n\nWhen you end your work, these checks are run on it, in an environment without anything that you left outside \
                 the workspace: {}. What you run yourself is for you: it does not count.",
                checks.join("; ")
            );
        }
        lines.push_str("\n\nThe plan was made before the code was read. Deviate from it where the code requires it.");
        section(text, "Plan", &lines);
    }
}

fn task(text: &mut String, state: &SessionState) -> Result<(), StepError> {
    let session =
        state.session.as_ref().ok_or_else(|| internal("the log does not start with the session's creation"))?;
    section(text, "Task", session.request.prompt.trim());
    // Later messages are part of the conversation itself.
    if state.main.last_turn.is_none() {
        for message in &state.user_texts {
            section(text, "Further message from the user", message.text.trim());
        }
    }
    Ok(())
}

fn survey(text: &mut String, surveyed: &RepositorySurveyed) {
    let survey = &surveyed.survey;
    let mut lines = format!("Project type: {}", survey.project_type.name());
    if survey.empty {
        lines.push_str("\nThe repository is empty: this is a new project.");
    }
    let lists: [(&str, &[String]); 7] = [
        ("Languages", &survey.languages),
        ("Frameworks", &survey.frameworks),
        ("Install", &survey.install_commands),
        ("Build", &survey.build_commands),
        ("Test", &survey.test_commands),
        ("Lint", &survey.lint_commands),
        ("Conventions", &survey.conventions),
    ];
    for (name, items) in lists {
        if !items.is_empty() {
            let _ = write!(lines, "\n{name}: {}", items.join("; "));
        }
    }
    if let Some(fixed) = &surveyed.fixed_checks {
        let _ = write!(lines, "\nChecks, fixed by {}: {}", fixed.source, fixed.commands.join("; "));
    }
    section(text, "Survey of the repository", &untrusted(&lines));
}

/// What commands can count on: the network, and what was installed.
fn sandbox(text: &mut String, state: &SessionState) {
    let network = state.session.as_ref().map(|session| session.request.network).unwrap_or_default();
    let mut lines = match network {
        Network::None => "Commands reach no network.",
        Network::Registries => {
            "Commands reach package registries, through the proxy that the environment names, and nothing else."
        }
        Network::Open => "Commands reach the internet by HTTP and HTTPS, through the proxy that the environment names.",
    }
    .to_owned();
    let missing = state.survey.as_ref().map(|surveyed| surveyed.missing_programs.as_slice()).unwrap_or_default();
    if !missing.is_empty() {
        let _ = write!(lines, "\nPrograms that the commands above need and that are not here: {}.", missing.join(", "));
    }
    if let Some(SetupState { command, finished: Some(finished) }) = &state.setup {
        let ended = match finished.outcome {
            SetupOutcome::Succeeded => "succeeded".to_owned(),
            SetupOutcome::Failed => match finished.exit_code {
                Some(code) => format!("failed with exit code {code}"),
                None => "failed".to_owned(),
            },
            SetupOutcome::TimedOut => "was stopped because it took too long".to_owned(),
            SetupOutcome::CutOff => "was cut off".to_owned(),
        };
        let _ = write!(lines, "\n\nThe set-up of the repository {ended}:\n\n{}", untrusted(command));
        if finished.outcome != SetupOutcome::Succeeded {
            let _ = write!(lines, "\n\nThe end of its output:\n\n{}", untrusted(&finished.output));
        }
    }
    section(text, "Sandbox", &lines);
}

fn subjects(text: &mut String, surveyed: &RepositorySurveyed) {
    if surveyed.commit_subjects.is_empty() {
        return;
    }
    let subjects: Vec<&str> = surveyed.commit_subjects.iter().take(MAX_SUBJECTS).map(String::as_str).collect();
    section(text, "Subjects of the latest commits", &untrusted(&subjects.join("\n")));
}

fn instructions(text: &mut String, state: &SessionState) {
    for read in &state.root_instructions {
        section(text, &format!("Instructions of the repository ({})", read.path), read.text.trim());
    }
}

/// Marks text that neither the user nor this program wrote. The system prompt says that such text is not an instruction.
pub(crate) fn untrusted(text: &str) -> String {
    // Otherwise the text could end its own mark, and what follows would read as ours.
    let text = text.replace("</untrusted", "< /untrusted").replace("<untrusted", "< untrusted");
    format!("<untrusted>\n{text}\n</untrusted>")
}

fn section(text: &mut String, title: &str, body: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    let _ = write!(text, "# {title}\n\n{body}");
}
