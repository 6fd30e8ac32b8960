//! The texts of commit, branch and pull request.
//!
//! Title and motivation come from the plan, the summary from the model's last reply, and the verification from the checks that we
//! ran: what the model says about its own is not evidence. All of them are read in terminals: what controls one, or the
//! direction of reading, is replaced.

use std::fmt::Write as _;

use domain::state::{RunState, SessionState};
use domain::text::{first_line, one_line, printable, printable_line, shorten};
use domain::{CheckOutcome, CheckResult, ContentBlock, transcript};

const MAX_TITLE_CHARACTERS: usize = 72;

/// The limit leaves room for the other sections: forges limit the body of a pull request (GitHub: 65,536 characters).
const MAX_CLOSING_CHARACTERS: usize = 20_000;

/// Maximum of things left behind by commands that are listed.
const MAX_LEFTOVERS: usize = 10;

/// Maximum commands of the model that are listed.
const MAX_OWN_COMMANDS: usize = 5;

/// The last line of the body. Nothing identifies a pull request by it; the log records which one belongs to the session.
const FOOTER: &str = "Made by Tiny Backspace";

/// The title of both the commit and the pull request.
pub(super) fn title(state: &SessionState) -> String {
    let title = state.plan.as_ref().map(|plan| plan.content.title.as_str()).unwrap_or_default();
    let line = one_line(first_line(title));
    let line = if line.is_empty() { "Apply the requested change".to_owned() } else { line };
    printable_line(&shorten(&line, MAX_TITLE_CHARACTERS)).into_owned()
}

pub(super) fn commit_message(state: &SessionState, title: &str, session: &str) -> String {
    let summary = state.plan.as_ref().map(|plan| wrap(&plan.content.summary, 72)).unwrap_or_default();
    let mut message = title.to_owned();
    if !summary.is_empty() {
        let _ = write!(message, "\n\n{summary}");
    }
    let _ = write!(message, "\n\nBackspace-Session: {session}\n");
    printable(&message).into_owned()
}

pub(super) fn body(
    state: &SessionState,
    run: &RunState,
    closing_message: Option<&str>,
    draft: Option<&str>,
    session: &str,
) -> String {
    let mut body = String::new();
    if let Some(reason) = draft {
        let _ = write!(body, "> **Draft:** {reason}\n\n");
    }
    let summary = state.plan.as_ref().map(|plan| plan.content.summary.trim()).unwrap_or_default();
    let _ = write!(body, "## Summary\n\n{}\n", closing_message.unwrap_or(summary).trim());
    if closing_message.is_some() && !summary.is_empty() {
        let _ = write!(body, "\n## Why\n\n{summary}\n");
    }
    let _ = write!(body, "\n## Verification\n\n{}\n", verification(state, run));
    if let Some(plan) = &state.plan {
        let plan = &plan.content;
        let (confidence, reason) = (plan.confidence.in_words(), one_line(&plan.confidence.reason));
        let _ = writeln!(body, "- The model's confidence in its plan, before the work: {confidence}. {reason}");
        let mut decisions = plan.decisions.iter().chain(state.decisions.iter()).peekable();
        if decisions.peek().is_some() {
            body.push_str("\n## Decisions\n\n");
            for decision in decisions {
                let _ = write!(body, "- {}: {}", one_line(&decision.decision), one_line(&decision.reason));
                if !decision.alternatives.is_empty() {
                    let _ = write!(body, " (considered: {})", one_line(&decision.alternatives.join(", ")));
                }
                body.push('\n');
            }
        }
        if !plan.risks.is_empty() {
            body.push_str("\n## Risks\n\n");
            for risk in &plan.risks {
                let _ = writeln!(body, "- {}", one_line(risk));
            }
        }
    }
    if let Some(changeset) = run.changeset.as_ref().filter(|changeset| !changeset.skipped.is_empty()) {
        body.push_str("\n## Left out\n\n");
        for skipped in &changeset.skipped {
            let _ = writeln!(body, "- {}", one_line(skipped));
        }
    }
    if let Some(changeset) = run.changeset.as_ref().filter(|changeset| !changeset.leftovers.is_empty()) {
        body.push_str("\n## Left behind by commands\n\nNo part of this change:\n\n");
        for leftover in changeset.leftovers.iter().take(MAX_LEFTOVERS) {
            let _ = writeln!(body, "- {}", one_line(leftover));
        }
        if changeset.leftovers.len() > MAX_LEFTOVERS {
            let _ = writeln!(body, "- and {} more", changeset.leftovers.len() - MAX_LEFTOVERS);
        }
    }
    if !state.refused_hosts.is_empty() {
        body.push_str("\n## Refused by the network policy\n\n");
        for host in &state.refused_hosts {
            let _ = writeln!(body, "- `{host}`");
        }
    }
    let totals = run.totals();
    let turns = if totals.turns == 1 { "1 turn".to_owned() } else { format!("{} turns", totals.turns) };
    let _ = write!(body, "\n---\n{FOOTER} · session `{session}` · {turns} · {}\n", totals.cost);
    printable(&body).into_owned()
}

/// The project's checks, which we ran on exactly this change, and what the model ran itself, which proves nothing.
fn verification(state: &SessionState, run: &RunState) -> String {
    let mut lines: Vec<String> = match &run.verification {
        None => vec!["The project's checks were not run on this change.".to_owned()],
        Some(verification) if verification.checks.is_empty() => vec!["No check of the project was run.".to_owned()],
        Some(verification) => verification.checks.iter().map(check).collect(),
    };
    let dropped = dropped_checks(state);
    if !dropped.is_empty() {
        lines.push(format!("Found in the repository and not chosen: {}.", dropped.join(", ")));
    }
    let own = &run.own_commands;
    if own.count > 0 {
        let commands = own.last.iter().rev().take(MAX_OWN_COMMANDS).rev().map(|(command, exit_code)| match exit_code {
            Some(code) => format!("{} (exit code {code})", quoted(command)),
            None => format!("{} (stopped)", quoted(command)),
        });
        let commands = commands.collect::<Vec<_>>().join(", ");
        let of =
            if own.count as usize > MAX_OWN_COMMANDS { format!(", of {} in all", own.count) } else { String::new() };
        lines.push(format!("What the model itself ran last{of}: {commands}."));
    }
    lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

fn check(check: &CheckResult) -> String {
    let command = quoted(&check.command);
    let code = check.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
    let reason = check.reason.as_deref().map(one_line);
    match (check.outcome, reason) {
        (CheckOutcome::Passed, _) => format!("{command} passed"),
        (CheckOutcome::Failed, None) => format!("{command} **failed**{code}; it passes without this change"),
        (CheckOutcome::Failed, Some(reason)) => format!("{command} **failed**{code} ({reason})"),
        (CheckOutcome::FailedBefore, _) => format!("{command} failed{code}, as it does without this change"),
        (CheckOutcome::NotRun, reason) => {
            format!("{command} was **not run**: {}", reason.unwrap_or_else(|| "it is not known why".to_owned()))
        }
    }
}

/// The checks of the survey that the plan left out.
fn dropped_checks(state: &SessionState) -> Vec<String> {
    let chosen = state.plan.as_ref().and_then(|plan| plan.content.checks.as_ref());
    let (Some(chosen), Some(surveyed)) = (chosen, &state.survey) else { return Vec::new() };
    let of_survey = surveyed.survey.checks();
    of_survey.filter(|check| !chosen.contains(check)).map(|check| quoted(check)).collect()
}

fn quoted(command: &str) -> String {
    format!("`{}`", one_line(command).replace('`', "'"))
}

/// Why the work does not count as verified, if it does not.
pub(super) fn unverified_reason(run: &RunState) -> Option<String> {
    match &run.verification {
        None => Some("the project's checks were not run on it".to_owned()),
        Some(verification) => verification.objection().map(|objection| one_line(&objection)),
    }
}

/// The text of a reply that ends the work. None when it calls tools or has no text.
pub(super) fn closing_message(reply: &str) -> Option<String> {
    let blocks = transcript::reply_blocks(reply).ok()?;
    if blocks.iter().any(|block| matches!(block, ContentBlock::ToolUse { .. })) {
        return None;
    }
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| match block {
            ContentBlock::Text { text } if !text.trim().is_empty() => Some(text.trim()),
            ContentBlock::Text { .. }
            | ContentBlock::Thinking { .. }
            | ContentBlock::ToolUse { .. }
            | ContentBlock::Other => None,
        })
        .collect();
    let text = texts.join("\n\n");
    if text.chars().count() <= MAX_CLOSING_CHARACTERS {
        return (!text.is_empty()).then_some(text);
    }
    let beginning: String = text.chars().take(MAX_CLOSING_CHARACTERS).collect();
    Some(format!("{}\n\n(Cut here; the whole text is in the session's events.)", beginning.trim_end()))
}

/// The name of a session's branch: a slug of the title and the end of the session's id, which makes it unique. `run` is
/// appended when the session has published another branch before.
pub(super) fn branch(title: &str, session: &str, run: Option<&str>) -> String {
    let mut slug = String::new();
    for c in title.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
            _ if !slug.ends_with('-') && !slug.is_empty() => slug.push('-'),
            _ => {}
        }
        if slug.len() >= 40 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    let slug = if slug.is_empty() { "change" } else { slug };
    let unique = session[session.len().saturating_sub(8)..].to_lowercase();
    match run {
        None => format!("backspace/{slug}-{unique}"),
        // The earlier branch was merged and deleted, or others keep moving it.
        Some(run) => format!("backspace/{slug}-{unique}-{run}"),
    }
}

fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
