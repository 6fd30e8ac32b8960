//! `/pulls/{repository}/{number}`: pull requests of the local forge, as page, as JSON, and as diff.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use domain::Role;
use domain::ports::{Readiness, Sessions as _};
use http::{HeaderMap, HeaderValue, header};
use pulldown_cmark::{Options, Parser};
use serde_json::json;
use web::{ApiError, Caller, Code};

use crate::forge::{Commit, PullRecord};
use crate::owner::OWNER;
use crate::world::World;

const PAGE: &str = include_str!("pull.html");

/// Sessions that are read at a time when the session of a pull request is searched.
const PAGE_ITEMS: usize = 500;

/// Maximum length of a diff on the page, in bytes. `/diff` has all of it.
const MAX_PAGE_DIFF_BYTES: usize = 1024 * 1024;

pub(super) fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/pulls/{repository}/{number}", get(pull))
        .route("/pulls/{repository}/{number}/diff", get(diff))
        .with_state(world)
}

/// Finds a pull request of one of the caller's sessions. A pull request of another owner is reported as not found.
async fn find(world: &World, caller: &Caller, repository: &str, number: &str) -> Result<PullRecord, ApiError> {
    let not_found = || ApiError::new(Code::NotFound, format!("there is no pull request {repository}/{number}"));
    let parsed: u64 = number.parse().map_err(|_| not_found())?;
    if !world.forge.is_known(repository) || !is_own(world, caller, repository, parsed).await? {
        return Err(not_found());
    }
    let record = world.forge.pull_request(repository, parsed)?.ok_or_else(not_found)?;
    let redacted = |text: &str| world.redact(text);
    Ok(PullRecord {
        title: redacted(&record.title),
        body: redacted(&record.body),
        stat: redacted(&record.stat),
        diff: redacted(&record.diff),
        ..record
    })
}

async fn is_own(world: &World, caller: &Caller, repository: &str, number: u64) -> Result<bool, ApiError> {
    // The local owner can read the program's directory anyway.
    if caller.principal.as_str() == OWNER && caller.role == Role::Admin {
        return Ok(true);
    }
    let mut before = None;
    loop {
        let sessions = world.store.list(Some(&caller.principal), before.as_ref(), PAGE_ITEMS).await?;
        let urls = sessions.iter().filter_map(|session| session.pr_url.as_deref());
        if urls.into_iter().any(|url| world.forge.is_url_of(url, repository, number)) {
            return Ok(true);
        }
        before = sessions.last().map(|last| last.id.clone());
        if sessions.len() < PAGE_ITEMS {
            return Ok(false);
        }
    }
}

async fn pull(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    Path((repository, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let record = find(&world, &caller, &repository, &number).await?;
    let mut commits = world.forge.commits(&repository, &record).await?;
    for commit in &mut commits {
        commit.subject = world.redact(&commit.subject);
    }
    if !web::prefers_html(&headers) {
        let mut view = serde_json::to_value(&record).unwrap_or_default();
        view["number"] = number.parse::<u64>().unwrap_or_default().into();
        view["repository"] = repository.into();
        view["commits"] = json!(commits);
        view["bodyHtml"] = render_markdown(&record.body).into();
        return Ok(Json(view).into_response());
    }
    let mut response = Html(page(&record, &number, &commits)).into_response();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}

async fn diff(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    Path((repository, number)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let record = find(&world, &caller, &repository, &number).await?;
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/x-diff; charset=utf-8"));
    Ok(([content_type], record.diff).into_response())
}

/// Renders the model's Markdown as HTML without scripts, styles and images, and with links to http, https and mailto only.
fn render_markdown(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(markdown, options));
    ammonia::Builder::default()
        .rm_tags(["img", "map", "area"])
        .add_tags(["input"])
        .add_tag_attribute_values("input", "type", ["checkbox"])
        .add_tag_attributes("input", ["checked", "disabled"])
        .set_tag_attribute_value("input", "disabled", "")
        .url_schemes(["http", "https", "mailto"].into())
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .clean(&html)
        .to_string()
}

fn page(record: &PullRecord, number: &str, commits: &[Commit]) -> String {
    let text = web::escape;
    let draft = match record.readiness {
        Readiness::Draft => "<span class=\"draft\">draft</span>",
        Readiness::Ready => "",
    };
    let commits: String = commits
        .iter()
        .map(|commit| {
            let (id, subject, author) = (&commit.id, text(&commit.subject), text(&commit.author));
            format!(
                "<li><code>{}</code> {subject} <small>{author}, {}</small></li>",
                &id[..id.len().min(10)],
                text(&commit.date)
            )
        })
        .collect();
    let mut shown = record.diff.as_str();
    let mut rest = "";
    if shown.len() > MAX_PAGE_DIFF_BYTES {
        let end = (0..=MAX_PAGE_DIFF_BYTES).rev().find(|end| shown.is_char_boundary(*end)).unwrap_or_default();
        (shown, rest) = (
            &shown[..end],
            "<p>The diff is cut off here. The whole diff is at this address with <code>/diff</code> appended.</p>",
        );
    }
    let lines: String = shown.lines().map(diff_line).collect();
    let values = [
        ("title", text(&record.title)),
        ("number", text(number)),
        ("draft", draft.to_owned()),
        ("head", text(&record.head)),
        ("base", text(&record.base)),
        ("body", render_markdown(&record.body)),
        ("commits", commits),
        ("stat", text(&record.stat)),
        ("diff", lines),
        ("rest", rest.to_owned()),
    ];
    fill(PAGE, &values)
}

/// Replaces each `{{name}}` in a single pass, so that a value that contains a placeholder is not replaced itself.
fn fill(page: &str, values: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        out.push_str(value.unwrap_or_default());
        rest = after;
    }
    out + rest
}

fn diff_line(line: &str) -> String {
    let class = match line.as_bytes() {
        [b'+', ..] => "add",
        [b'-', ..] => "del",
        [b'@', b'@', ..] => "at",
        [b'd', b'i', b'f', b'f', ..] => "file",
        _ => "",
    };
    let text = web::escape(line);
    if class.is_empty() { format!("{text}\n") } else { format!("<span class=\"{class}\">{text}</span>\n") }
}
