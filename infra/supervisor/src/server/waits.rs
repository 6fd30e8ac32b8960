use std::time::Instant;

use sandbox::ExecId;

use super::ClientId;

/// Clients that want to know when an exec has ended.
#[derive(Default)]
pub(super) struct Waits {
    waits: Vec<Wait>,
}

pub(super) struct Wait {
    pub(super) client: ClientId,
    pub(super) request: u64,
    pub(super) exec: ExecId,
    /// `None` for a moment too far away to be told.
    pub(super) until: Option<Instant>,
    pub(super) head_bytes: u64,
}

impl Waits {
    pub(super) fn add(&mut self, wait: Wait) {
        self.waits.push(wait);
    }

    pub(super) fn take_for(&mut self, exec: &ExecId) -> Vec<Wait> {
        self.take(|wait| wait.exec == *exec)
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Wait> {
        self.take(|wait| wait.until.is_some_and(|until| until <= now))
    }

    pub(super) fn forget(&mut self, client: ClientId) {
        self.waits.retain(|wait| wait.client != client);
    }

    pub(super) fn next_moment(&self) -> Option<Instant> {
        self.waits.iter().filter_map(|wait| wait.until).min()
    }

    fn take(&mut self, wanted: impl Fn(&Wait) -> bool) -> Vec<Wait> {
        self.waits.extract_if(.., |wait| wanted(wait)).collect()
    }
}
