//! `/`: the start page, with links to the documentation and the caller's sessions.

use axum::Extension;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use http::{HeaderValue, header};

use crate::Api;
use crate::access::Caller;
use crate::error::ApiError;
use crate::html::escape;

const PAGE: &str = include_str!("front.html");

/// Maximum sessions on the page.
const MAX_SESSIONS: usize = 50;

pub(super) async fn front(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    let sessions = api.services.sessions.list(Some(&caller.principal), None, MAX_SESSIONS).await?;
    let rows: String = sessions
        .iter()
        .map(|session| {
            let title = escape(&session.title);
            let status = session.status.name().replace('_', " ");
            let repository = escape(&session.repo_url);
            let id = &session.id;
            let cost = session.cost;
            format!(
                "<tr><td>{status}</td><td><a href=\"/sessions/{id}\">{title}</a><br><small>{repository}</small></td>\
                 <td>{cost}</td><td><a href=\"/sessions/{id}/diff\">diff</a></td></tr>\n"
            )
        })
        .collect();
    let table =
        if rows.is_empty() { "<p>There are no sessions yet.</p>".to_owned() } else { format!("<table>{rows}</table>") };
    let mut response = Html(PAGE.replace("{{sessions}}", &table)).into_response();
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}
