//! The texts that open the two conversations.

use std::fmt::Write as _;

use domain::state::SessionState;
use domain::{
    Author, Event, EventBody, FileChangeKind, ProjectType, RepositorySurveyed, Seq, StepError, Survey, TodoStatus,
    name_invisible,
};

use crate::context::internal;

const MAX_SUBJECTS: usize = 15;

/// So many changed files are named.
const MAX_FILES: usize = 200;

/// What people said is handed on to a new conversation up to this many characters, the latest first.
const MAX_SAID_CHARACTERS: usize = 100_000;

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
pub(crate) fn plan(state: &SessionState, events: &[Event], tree: &str) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state, events)?;
    if let Some(surveyed) = &state.survey {
        survey(&mut text, &surveyed.survey);
        subjects(&mut text, surveyed);
    }
    instructions(&mut text, events);
    if !tree.is_empty() {
        section(&mut text, "Files", &untrusted(tree));
    }
    Ok(name_invisible(&text).into_owned())
}

/// What opens the main conversation: the task, the survey, the instructions, the plan.
pub(crate) fn main(state: &SessionState, events: &[Event]) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state, events)?;
    known(&mut text, state, events);
    Ok(name_invisible(&text).into_owned())
}

/// What opens a conversation that goes on where another one ended: the same, what people said up to `covered`, and where
/// the work stands.
pub(crate) fn compacted(state: &SessionState, events: &[Event], covered: Seq, note: &str) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state, events)?;
    said_since(&mut text, events, covered);
    known(&mut text, state, events);
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

/// What people said up to `covered`, as they said it.
fn said_since(text: &mut String, events: &[Event], covered: Seq) {
    let mut left = MAX_SAID_CHARACTERS;
    let mut said = Vec::new();
    for event in events.iter().rev() {
        let EventBody::UserMessage(message) = &event.body else { continue };
        // What answers a question came as the result of its call, which the new conversation does not have.
        let known = event.seq <= covered || message.answers.is_some();
        if message.author != Author::User || !known || left == 0 {
            continue;
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
fn known(text: &mut String, state: &SessionState, events: &[Event]) {
    if let Some(surveyed) = &state.survey {
        survey(text, &surveyed.survey);
        section(text, "What matters in such a project", guidance(surveyed.survey.project_type).trim());
    }
    instructions(text, events);
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

fn task(text: &mut String, state: &SessionState, events: &[Event]) -> Result<(), StepError> {
    let session = state.session.as_ref().ok_or_else(|| internal("the log does not begin with the session"))?;
    section(text, "Task", session.request.prompt.trim());
    let before_any_turn = state.main.turns.is_empty();
    let said = events.iter().filter_map(|event| match &event.body {
        EventBody::UserMessage(message) if message.author == Author::User && before_any_turn => Some(&message.text),
        _ => None,
    });
    for message in said {
        section(text, "The user adds", message.trim());
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

fn instructions(text: &mut String, events: &[Event]) {
    for event in events {
        let EventBody::InstructionsRead(read) = &event.body else { continue };
        if read.directory == "." {
            section(text, &format!("Instructions of the repository ({})", read.path), read.text.trim());
        }
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
