//! Short questions whose answer is a JSON object and costs nothing.

use std::time::Duration;

use domain::ModelError;
use http::StatusCode;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::call::{Failure, Setback};
use crate::client::Client;
use crate::refusal::{self, Refusal};
use crate::retry::Advice;

/// The answers are short and come at once.
const TIMEOUT: Duration = Duration::from_secs(10);

const MAX_BODY_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
struct Counted {
    input_tokens: u64,
}

/// The length of a prompt.
pub(crate) async fn count(client: &Client, request: RequestBuilder) -> Result<u64, ModelError> {
    let counted: Counted = ask(client, request).await?;
    Ok(counted.input_tokens)
}

/// Asks once: whoever wants to know can ask again, and nobody waits for it.
pub(crate) async fn ask<T: DeserializeOwned>(client: &Client, request: RequestBuilder) -> Result<T, ModelError> {
    let answer = timeout(TIMEOUT, answer(client, request)).await;
    let late = || Failure::Interrupted("the Claude API did not answer in time".to_owned());
    let body = answer.unwrap_or_else(|_| Err(late())).map_err(error)?;
    serde_json::from_slice(&body)
        .map_err(|_| error(Failure::Terminal(refusal::ours("what answered is not the Claude API: no such answer"))))
}

async fn answer(client: &Client, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
    let mut response = request.send().await.map_err(|error| Setback::unsent(&error).failure)?;
    let (status, advice) = (response.status(), Advice::read(response.headers()));
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_BODY_BYTES {
            break;
        }
    }
    if status == StatusCode::OK {
        return Ok(body);
    }
    Err(Setback::refused(Refusal::read(status, &body, &client.scrubber), advice).failure)
}

/// Nothing of this is billed.
fn error(failure: Failure) -> ModelError {
    failure.into_error(|reason| ModelError::Interrupted {
        reason,
        usage: domain::Usage::default(),
        cost: domain::MicroDollars(0),
    })
}
