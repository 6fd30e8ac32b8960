//! Lists and shows sessions.

use domain::{CheckOutcome, MicroDollars, SessionId, Status};
use serde_json::Value;

use super::context::Context;
use crate::cli::client::Client;
use crate::cli::exit::ExitCode;
use crate::cli::report;
use crate::world::World;

/// Maximum sessions that the API returns on a page.
const MAX_PAGE_ITEMS: usize = 100;

pub(super) async fn list(context: &Context<'_>, limit: usize) -> anyhow::Result<ExitCode> {
    let (mut listed, mut cursor) = (0, String::new());
    while listed < limit {
        let page_size = (limit - listed).min(MAX_PAGE_ITEMS);
        let page = context.client.get(&format!("/sessions?limit={page_size}{cursor}")).await?;
        for session in page["sessions"].as_array().into_iter().flatten() {
            context.output.json(session);
            context.output.result(&line(context, session).await?);
            listed += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if listed == 0 {
        context.output.progress("There are no sessions yet. Start one with `backspace code`, or try `backspace demo`.");
    }
    Ok(ExitCode::Success)
}

async fn line(context: &Context<'_>, session: &Value) -> anyhow::Result<String> {
    let of = |name: &str| session[name].as_str().unwrap_or_default();
    let id: SessionId = of("id").parse()?;
    let status: Status = serde_json::from_value(session["status"].clone())?;
    // Without a server, a session that no process drives and that does not wait for the user stands still until it is resumed.
    let interrupted = matches!(context.client, Client::InProcess(_))
        && !status.is_terminal()
        && !awaits_user(context.world, &id, status).await
        && context.world.locks.try_acquire(&id)?.is_some();
    let status = if interrupted { "interrupted" } else { status.name() };
    let cost = MicroDollars::from_dollars(session["costUsd"].as_f64().unwrap_or_default())?;
    let pull_request = session["pr_url"].as_str().unwrap_or("-");
    Ok(format!("{id}  {status:<13} {cost:>10}  {}  {pull_request}", of("title")))
}

/// Whether a session waits for the user, and no answer is recorded yet.
async fn awaits_user(world: &World, session: &SessionId, status: Status) -> bool {
    status == Status::AwaitingUser && world.log(session).await.is_ok_and(|log| log.state().wait.is_some())
}

pub(super) async fn show(context: &Context<'_>, session: &SessionId) -> anyhow::Result<ExitCode> {
    let view = context.client.get(&format!("/sessions/{session}")).await?;
    context.output.json(&view);
    let of = |name: &str| view[name].as_str().unwrap_or_default();
    let totals = &view["totals"];
    let mut lines = vec![
        format!("session     {session}"),
        format!("repository  {}", of("repoUrl")),
        format!("prompt      {}", of("prompt").lines().next().unwrap_or_default()),
        format!("run {}       {}", view["run"], of("status")),
    ];
    if let Some(title) = view["plan"]["title"].as_str() {
        lines.push(format!("plan        {title}"));
    }
    let cost = MicroDollars(totals["cost"].as_u64().unwrap_or_default());
    lines.push(format!(
        "used        {} turns, {} tool calls, {cost}, {} s of work",
        totals["turns"],
        totals["toolCalls"],
        totals["activeMs"].as_u64().unwrap_or_default() / 1000
    ));
    for check in view["verification"]["checks"].as_array().into_iter().flatten() {
        let outcome = serde_json::from_value(check["outcome"].clone()).map(CheckOutcome::in_words).unwrap_or_default();
        lines.push(format!("check       {} {outcome}", check["command"].as_str().unwrap_or_default()));
    }
    for file in view["leftOut"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        lines.push(format!("left out    {file}"));
    }
    if view["summary"].is_string() {
        lines.push(format!("summary     {}", of("summary")));
    }
    context.output.result(&lines.join("\n"));
    report::state(context.world, context.world.log(session).await?.state(), context.output)?;
    Ok(ExitCode::Success)
}

pub(super) async fn events(context: &Context<'_>, session: &SessionId, mut after: u64) -> anyhow::Result<ExitCode> {
    loop {
        let page = context.client.get(&format!("/sessions/{session}/events?after={after}&limit=1000")).await?;
        let events = page["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        for frame in events {
            let of = |name: &str| frame[name].as_str().unwrap_or_default();
            context.output.result(&format!("{:>5}  {}  {:<22} {}", frame["id"], of("at"), of("kind"), of("message")));
            context.output.json(frame);
        }
        if events.is_empty() {
            return Ok(ExitCode::Success);
        }
        after = page["nextAfter"].as_u64().unwrap_or(u64::MAX);
    }
}
