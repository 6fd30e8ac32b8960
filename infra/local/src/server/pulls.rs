//! Pull requests of the local forge: `/pulls/{repository}/{number}` as page, as JSON, and as diff.

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

use super::OWNER;
use crate::forge::{Commit, PullRecord};
use crate::world::World;

const PAGE: &str = include_str!("pull.html");

/// So many sessions are looked through at once.
const LOOKED_THROUGH: usize = 500;

/// Longer diffs are cut on the page, in bytes.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

pub(super) fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/pulls/{repository}/{number}", get(pull))
        .route("/pulls/{repository}/{number}/diff", get(diff))
        .with_state(world)
}

/// A pull request of the caller's. Somebody else's does not exist.
async fn find(world: &World, caller: &Caller, repository: &str, number: &str) -> Result<PullRecord, ApiError> {
    let nothing = || ApiError::new(Code::NotFound, "there is no such pull request");
    let number: u64 = number.parse().map_err(|_| nothing())?;
    if !world.forge.is_known(repository) || !is_own(world, caller, repository, number).await? {
        return Err(nothing());
    }
    let record = world.forge.pull_request(repository, number)?.ok_or_else(nothing)?;
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
    // Who may use the program's directory may read it all anyway.
    if caller.principal.as_str() == OWNER && caller.role == Role::Admin {
        return Ok(true);
    }
    let mut before = None;
    loop {
        let sessions = world.store.list(Some(&caller.principal), before.as_ref(), LOOKED_THROUGH).await?;
        let urls = sessions.iter().filter_map(|session| session.pr_url.as_deref());
        if urls.into_iter().any(|url| world.forge.is_url_of(url, repository, number)) {
            return Ok(true);
        }
        before = sessions.last().map(|last| last.id.clone());
        if sessions.len() < LOOKED_THROUGH {
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
        view["bodyHtml"] = rendered(&record.body).into();
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

/// Markdown of the model as a page may show it: no scripts, no styles, no pictures from elsewhere, only harmless links.
fn rendered(markdown: &str) -> String {
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
    let text = web::escaped;
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
    if shown.len() > MAX_PAGE_BYTES {
        let end = (0..=MAX_PAGE_BYTES).rev().find(|end| shown.is_char_boundary(*end)).unwrap_or_default();
        (shown, rest) = (
            &shown[..end],
            "<p>The diff is cut here; the address with <code>/diff</code> at its end has all of it.</p>",
        );
    }
    let lines: String = shown.lines().map(line).collect();
    // Each is put in at once, so that none can bring a mark of its own.
    let parts = [
        ("title", text(&record.title)),
        ("number", text(number)),
        ("draft", draft.to_owned()),
        ("head", text(&record.head)),
        ("base", text(&record.base)),
        ("body", rendered(&record.body)),
        ("commits", commits),
        ("stat", text(&record.stat)),
        ("diff", lines),
        ("rest", rest.to_owned()),
    ];
    filled(PAGE, &parts)
}

/// The page with `{{name}}` replaced, from left to right; what is put in is not looked at again.
fn filled(page: &str, parts: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(before);
        let part = parts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        out.push_str(part.unwrap_or_default());
        rest = after;
    }
    out + rest
}

fn line(line: &str) -> String {
    let class = match line.as_bytes() {
        [b'+', ..] => "add",
        [b'-', ..] => "del",
        [b'@', b'@', ..] => "at",
        [b'd', b'i', b'f', b'f', ..] => "file",
        _ => "",
    };
    let text = web::escaped(line);
    if class.is_empty() { format!("{text}\n") } else { format!("<span class=\"{class}\">{text}</span>\n") }
}
