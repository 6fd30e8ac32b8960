//! What the service says of its models.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use domain::ModelLimits;
use reqwest::Url;
use serde::Deserialize;
use tokio::time::Instant;

use crate::client::Client;
use crate::lookup;

/// So long what was learned holds.
const HOLDS: Duration = Duration::from_secs(24 * 60 * 60);

/// So long nothing is asked after there was no answer.
const AFTER_FAILURE: Duration = Duration::from_secs(10 * 60);

/// More pages than any list has.
const MAX_PAGES: usize = 20;

/// Nobody waits longer for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Limits by model, as far as they were learned.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    limits: RwLock<HashMap<String, ModelLimits>>,
    asked_again_from: Mutex<Option<Instant>>,
}

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

impl Learned {
    pub(crate) fn limits(&self, model: &str) -> Option<ModelLimits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).get(model).copied()
    }

    /// Asks, unless it was asked lately.
    pub(crate) async fn refresh(&self, client: &Client) {
        let now = Instant::now();
        {
            let mut from = self.asked_again_from.lock().unwrap_or_else(PoisonError::into_inner);
            if from.is_some_and(|from| now < from) {
                return;
            }
            *from = Some(now + AFTER_FAILURE);
        }
        let Ok(Some(learned)) = tokio::time::timeout(PATIENCE, list(client)).await else {
            tracing::debug!("the list of models could not be read; the built-in one holds");
            return;
        };
        tracing::debug!(models = learned.len(), "the list of models was read");
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = learned;
        *self.asked_again_from.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + HOLDS);
    }
}

/// All pages of the list; nothing when one of them is missing.
async fn list(client: &Client) -> Option<HashMap<String, ModelLimits>> {
    let mut learned = HashMap::new();
    let mut url: Url = client.models.clone();
    url.query_pairs_mut().append_pair("limit", "1000");
    for _ in 0..MAX_PAGES {
        let page: Page = lookup::ask(client, client.get(url.clone())).await.ok()?;
        for entry in page.data {
            // Zero would be a limit that nothing keeps.
            if let (Some(context_tokens @ 1..), Some(output_tokens @ 1..)) = (entry.max_input_tokens, entry.max_tokens)
            {
                learned.insert(entry.id, ModelLimits { context_tokens, output_tokens });
            }
        }
        let Some(last) = page.last_id.filter(|_| page.has_more) else {
            return Some(learned);
        };
        url.query_pairs_mut().clear().append_pair("limit", "1000").append_pair("after_id", &last);
    }
    Some(learned)
}
