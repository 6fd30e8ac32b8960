//! The texts that open the two conversations.

use std::fmt::Write as _;

use domain::state::SessionState;
use domain::{Author, Event, EventBody, ProjectType, RepositorySurveyed, StepError, Survey};

use crate::context::internal;

const MOST_SUBJECTS: usize = 15;

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
        section(&mut text, "Files", tree);
    }
    Ok(text)
}

/// What opens the main conversation: the task, the survey, the instructions, the plan.
pub(crate) fn main(state: &SessionState, events: &[Event]) -> Result<String, StepError> {
    let mut text = String::new();
    task(&mut text, state, events)?;
    if let Some(surveyed) = &state.survey {
        survey(&mut text, &surveyed.survey);
        section(&mut text, "What matters in such a project", guidance(surveyed.survey.project_type).trim());
    }
    instructions(&mut text, events);
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
        section(&mut text, "Plan", &lines);
    }
    Ok(text)
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
    section(text, "Survey of the repository", &lines);
}

fn subjects(text: &mut String, surveyed: &RepositorySurveyed) {
    if surveyed.commit_subjects.is_empty() {
        return;
    }
    let subjects: Vec<&str> = surveyed.commit_subjects.iter().take(MOST_SUBJECTS).map(String::as_str).collect();
    section(text, "Subjects of the latest commits", &subjects.join("\n"));
}

fn instructions(text: &mut String, events: &[Event]) {
    for event in events {
        let EventBody::InstructionsRead(read) = &event.body else { continue };
        if read.directory == "." {
            section(text, &format!("Instructions of the repository ({})", read.path), read.text.trim());
        }
    }
}

fn section(text: &mut String, title: &str, body: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    let _ = write!(text, "# {title}\n\n{body}");
}
