//! Tells open streams that the service shuts down.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Debug, Clone, Default)]
pub(super) struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    pub(super) fn begin(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}
