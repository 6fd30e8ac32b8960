//! Text that is still being written, for viewers in the same process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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
    /// Follows what is shown of a session.
    pub fn follow(&self, session: &SessionId) -> watch::Receiver<Option<LiveReply>> {
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

    async fn current(&self, session: &SessionId) -> Result<Option<LiveReply>, Unavailable> {
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(replies.get(session).and_then(|sender| sender.borrow().clone()))
    }
}
