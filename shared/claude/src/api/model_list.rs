//! The service's list of models, `GET /v1/models`.

use std::collections::HashMap;

use domain::ModelLimits;
use reqwest::Url;
use serde::Deserialize;

use crate::transport::{Failure, HttpClient, send_for_json};

/// The API's maximum for `limit`.
const PAGE_SIZE: &str = "1000";

/// Maximum pages read, so that a service whose list never ends cannot keep us reading.
const MAX_PAGES: usize = 20;

#[derive(Deserialize)]
struct Page {
    data: Vec<Entry>,
    #[serde(default)]
    has_more: bool,
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u32>,
}

/// Reads all pages of the list at `url`. Models without limits are left out.
pub(super) async fn fetch(client: &HttpClient, url: &Url) -> Result<HashMap<String, ModelLimits>, Failure> {
    let mut limits = HashMap::new();
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("limit", PAGE_SIZE);
    for _ in 0..MAX_PAGES {
        let page: Page = send_for_json(client, client.get(url.clone())).await?;
        for entry in page.data {
            // No request would fit a limit of zero.
            if let (Some(context_tokens @ 1..), Some(output_tokens @ 1..)) = (entry.max_input_tokens, entry.max_tokens)
            {
                limits.insert(entry.id, ModelLimits { context_tokens, output_tokens });
            }
        }
        let Some(last) = page.last_id.filter(|_| page.has_more) else {
            break;
        };
        url.query_pairs_mut().clear().append_pair("limit", PAGE_SIZE).append_pair("after_id", &last);
    }
    Ok(limits)
}
