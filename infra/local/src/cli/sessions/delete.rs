//! Deletes sessions.

use anyhow::Context as _;
use domain::ports::Clock as _;
use domain::{SessionId, Status};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde_json::json;

use super::context::Context;
use crate::cli::exit::ExitCode;
use crate::clock::WallClock;

/// Sessions per request for a list.
const PAGE_ITEMS: usize = 100;

/// An age such as `30d`, `12h` or `2w`.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Age(SignedDuration);

impl std::str::FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span: Span = text.parse().map_err(|error: jiff::Error| error.to_string())?;
        let age = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|error| error.to_string())?;
        if age.is_negative() { Err("an age is not negative".to_owned()) } else { Ok(Self(age)) }
    }
}

/// Deletes the named sessions. One that cannot be deleted does not keep the others from it.
pub(super) async fn delete(context: &Context<'_>, sessions: &[SessionId]) -> ExitCode {
    let mut failed = false;
    for session in sessions {
        match delete_one(context, session).await {
            Ok(()) => context.output.progress(&format!("Deleted {session}.")),
            Err(error) => {
                failed = true;
                context.output.error(&error);
            }
        }
    }
    if failed { ExitCode::NotStarted } else { ExitCode::Success }
}

async fn delete_one(context: &Context<'_>, session: &SessionId) -> anyhow::Result<()> {
    let deleted = context.client.delete(&format!("/sessions/{session}")).await;
    deleted.with_context(|| format!("session {session} was not deleted"))?;
    context.output.json(&json!({ "id": session, "deleted": true }));
    Ok(())
}

/// Whether `prune` deletes or only lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pruning {
    Delete,
    DryRun,
}

/// Deletes the sessions that are over and have not changed for longer than `age`.
pub(super) async fn prune(context: &Context<'_>, age: Age, pruning: Pruning) -> anyhow::Result<ExitCode> {
    let before = WallClock.now() - age.0;
    // Listed before the first one is deleted, so that pages do not shift.
    let old = old_sessions(context, before).await?;
    let (mut count, mut failed) = (0, 0);
    for (session, title) in &old {
        match pruning {
            Pruning::DryRun => {
                context.output.json(&json!({ "id": session, "deleted": false }));
                context.output.result(&format!("{session}  {title}"));
                count += 1;
            }
            // A session that was continued or deleted meanwhile is none of the old ones any more.
            Pruning::Delete => match delete_one(context, session).await {
                Ok(()) => count += 1,
                Err(error) => {
                    failed += 1;
                    context.output.progress(&format!("{error:#}"));
                }
            },
        }
    }
    context.output.json(&json!({ "sessions": count, "failed": failed, "dryRun": pruning == Pruning::DryRun }));
    context.output.progress(&match pruning {
        Pruning::DryRun => format!("{count} sessions would be deleted."),
        Pruning::Delete => format!("{count} sessions deleted."),
    });
    Ok(ExitCode::Success)
}

/// Id and title of the sessions that are over and were last changed before `before`, newest first.
async fn old_sessions(context: &Context<'_>, before: Timestamp) -> anyhow::Result<Vec<(SessionId, String)>> {
    let (mut old, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = context.client.get(&format!("/sessions?limit={PAGE_ITEMS}{cursor}")).await?;
        for session in page["sessions"].as_array().into_iter().flatten() {
            let of = |name: &str| session[name].as_str().unwrap_or_default();
            let status: Status = serde_json::from_value(session["status"].clone())?;
            let updated: Timestamp = of("updatedAt").parse()?;
            if status.is_terminal() && updated < before {
                old.push((of("id").parse()?, of("title").to_owned()));
            }
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(old),
        }
    }
}
