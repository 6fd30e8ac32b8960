//! A streamed reply: from the request to the whole message.

use std::time::Duration;

use bytes::Bytes;
use domain::ReplyPiece;
use reqwest::Url;
use tokio::time::Instant;

use super::assembly::{Assembly, AssemblyError};
use crate::transport::{EventStream, Failure, HttpClient};

/// Receives the pieces of a reply as they arrive.
pub(super) type Live<'a> = &'a (dyn for<'b> Fn(ReplyPiece<'b>) + Send + Sync);

/// What is known of a reply so far. It lives outside the future that fills it, so that it survives when the deadline drops
/// that future: what was counted by then may be billed.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) assembly: Assembly,
    pub(super) request_id: Option<String>,
    pub(super) first_content_after: Option<Duration>,
}

/// Sends a request and reads its stream until the message is complete.
pub(super) async fn receive(
    client: &HttpClient,
    url: &Url,
    body: Bytes,
    deadline: Instant,
    live: Live<'_>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut stream = EventStream::open(client, url, body, deadline).await?;
    progress.request_id = stream.request_id.take();
    loop {
        for event in stream.next_events().await? {
            let added = progress.assembly.add(&event, &|piece| live(piece));
            added.map_err(|error| match error {
                AssemblyError::Reported => stream.reported(&event),
                // The message may quote the service.
                AssemblyError::Malformed(_) | AssemblyError::OutOfOrder(_) => {
                    Failure::Interrupted(client.displayable(&error.to_string()))
                }
            })?;
            if progress.first_content_after.is_none() && progress.assembly.has_content() {
                progress.first_content_after = Some(stream.sent_at.elapsed());
            }
            if progress.assembly.is_complete() {
                return Ok(());
            }
        }
    }
}
