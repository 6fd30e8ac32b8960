//! The texts that open the two conversations.

use std::fmt::Write as _;

use domain::state::{MAX_USER_TEXT_CHARACTERS, SessionState, UserText};
use domain::{FileChangeKind, ProjectType, RepositorySurveyed, Seq, StepError, Survey, TodoStatus, name_invisible};

use crate::context::internal;

const MAX_SUBJECTS: usize = 15;

/// So many changed files are named.
const MAX_FILES: usize = 200;

/// The guidance for a kind of project.
fn guidance(project: ProjectType) -> &'static str {
    match project {
        ProjectType::Web => include_str!("prompts/projects/web.md"),
        ProjectType::DataScience => include_str!("prompts/projects/data-science.md"),
        ProjectType::Frontend => include_str!("prompts/projects/frontend.md"),
        ProjectType::Devops => include_str!("prompts/projects/devops.md"),
        ProjectType::General => include_str!("prompts/projects/general.md"),
    }
}

/// What opens the plan's conversation: the task, the survey, the instructions, a look at the files.
pub(crate) fn plan(state: &SessionState, tree: &str) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state)?;
    if let Some(surveyed) = &state.survey {
        survey(&mut text, &surveyed.survey);
        subjects(&mut text, surveyed);
    }
    instructions(&mut text, state);
    if !tree.is_empty() {
        section(&mut text, "Files", &untrusted(tree));
    }
    Ok(name_invisible(&text).into_owned())
}

/// What opens the main conversation: the task, the survey, the instructions, the plan.
pub(crate) fn main(state: &SessionState) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state)?;
    known(&mut text, state);
    Ok(name_invisible(&text).into_owned())
}

/// What opens a conversation that goes on where another one ended: the same, what people said up to `covered`, and where
/// the work stands.
pub(crate) fn compacted(state: &SessionState, covered: Seq, note: &str) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state)?;
    said_since(&mut text, state, covered);
    known(&mut text, state);
    section(&mut text, "Where the work stands", note.trim());
    if !state.todo.is_empty() {
        let mut lines = String::new();
        for item in &state.todo {
            let mark = match item.status {
                TodoStatus::Pending => "open",
                TodoStatus::InProgress => "in progress",
                TodoStatus::Completed => "done",
            };
            let _ = writeln!(lines, "- {} ({mark})", item.content);
        }
        section(&mut text, "Your to-do list", lines.trim_end());
    }
    section(&mut text, "Files changed so far", &changed_files(state));
    Ok(name_invisible(&text).into_owned())
}

/// What people said up to `covered`, as they said it: the latest, up to a limit of characters.
fn said_since(text: &mut String, state: &SessionState, covered: Seq) {
    let mut left = MAX_USER_TEXT_CHARACTERS;
    let mut said = Vec::new();
    // What answers a question came as the result of its call, which the new conversation does not have.
    let known = |said: &&UserText| said.seq <= covered || said.answers;
    for message in state.user_texts.iter().rev().filter(known) {
        if left == 0 {
            break;
        }
        let trimmed = message.text.trim();
        let kept: String = trimmed.chars().take(left).collect();
        let whole = kept.len() == trimmed.len();
        left -= kept.chars().count();
        said.push(if whole { kept } else { format!("{kept}\n(cut here for its length)") });
    }
    for message in said.into_iter().rev() {
        section(text, "The user said since", &message);
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

/// What is known of the repository and planned for it.
fn known(text: &mut String, state: &SessionState) {
    if let Some(surveyed) = &state.survey {
        survey(text, &surveyed.survey);
        section(text, "What matters in such a project", guidance(surveyed.survey.project_type).trim());
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
        lines
            .push_str("\n\nThe plan was made before the code was read in full. Depart from it where the code says so.");
        section(text, "Plan", &lines);
    }
}

fn task(text: &mut String, state: &SessionState) -> Result<(), StepError> {
    let session = state.session.as_ref().ok_or_else(|| internal("the log does not begin with the session"))?;
    section(text, "Task", session.request.prompt.trim());
    if state.main.last_turn.is_none() {
        for message in &state.user_texts {
            section(text, "The user adds", message.text.trim());
        }
    }
    Ok(())
}

fn survey(text: &mut String, survey: &Survey) {
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
    section(text, "Survey of the repository", &untrusted(&lines));
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

/// Text that others wrote, marked as material.
pub(crate) fn untrusted(text: &str) -> String {
    // It must not end its own mark.
    let text = text.replace("</untrusted", "< /untrusted").replace("<untrusted", "< untrusted");
    format!("<untrusted>\n{text}\n</untrusted>")
}

fn section(text: &mut String, title: &str, body: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    let _ = write!(text, "# {title}\n\n{body}");
}
