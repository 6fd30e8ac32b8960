//! Live text of replies, for viewers in the same process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{LiveReply, LiveText};
use domain::{SessionId, Unavailable};
use tokio::sync::watch;

/// One watch channel per session, whose value is overwritten.
#[derive(Default)]
pub struct LiveChannel {
    replies: Mutex<HashMap<SessionId, watch::Sender<Option<LiveReply>>>>,
}

impl LiveChannel {
    fn subscribe(&self, session: &SessionId) -> watch::Receiver<Option<LiveReply>> {
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.entry(session.clone()).or_default().subscribe()
    }
}

#[async_trait]
impl LiveText for LiveChannel {
    async fn show(&self, session: &SessionId, reply: &LiveReply) -> Result<(), Unavailable> {
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.entry(session.clone()).or_default().send_replace(Some(reply.clone()));
        Ok(())
    }

    async fn next(
        &self,
        session: &SessionId,
        seen: Option<&LiveReply>,
        timeout: Duration,
    ) -> Result<Option<LiveReply>, Unavailable> {
        let found = {
            let mut shown = self.subscribe(session);
            let other = shown.wait_for(|reply| reply.as_ref() != seen);
            match tokio::time::timeout(timeout, other).await {
                Ok(Ok(reply)) => reply.clone(),
                // `forget` dropped the sender.
                Ok(Err(_)) => None,
                Err(_) => seen.cloned(),
            }
        };
        // A session without live text and without viewers needs no channel.
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if replies.get(session).is_some_and(|sender| sender.receiver_count() == 0 && sender.borrow().is_none()) {
            replies.remove(session);
        }
        Ok(found)
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
        Ok(())
    }
}
