//! Text that is still being written, for viewers in the same process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{LiveReply, LiveText};
use domain::{SessionId, Unavailable};
use tokio::sync::watch;

/// One overwritten value per session.
#[derive(Default)]
pub struct LiveChannel {
    replies: Mutex<HashMap<SessionId, watch::Sender<Option<LiveReply>>>>,
}

impl LiveChannel {
    fn follow(&self, session: &SessionId) -> watch::Receiver<Option<LiveReply>> {
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
        at_most: Duration,
    ) -> Result<Option<LiveReply>, Unavailable> {
        let found = {
            let mut shown = self.follow(session);
            let other = shown.wait_for(|reply| reply.as_ref() != seen);
            // Time is up, or nothing is shown any more: then there is what there is.
            match tokio::time::timeout(at_most, other).await {
                Ok(Ok(reply)) => reply.clone(),
                Ok(Err(_)) => None,
                Err(_) => seen.cloned(),
            }
        };
        // Nothing is kept for sessions of which nothing is shown and that nobody watches.
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
