//! Limits that the service itself has stated; they take precedence over the catalogue's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use domain::ModelLimits;
use tokio::time::Instant;

/// How long learned limits are used before they are read again.
const REFRESH_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps a service without a list of models (a gateway, say) from being asked with every call.
const RETRY_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The limits by model id, empty until the service was asked.
#[derive(Debug, Default)]
pub(crate) struct LearnedLimits {
    limits: RwLock<HashMap<String, ModelLimits>>,
    next_refresh: Mutex<Option<Instant>>,
}

impl LearnedLimits {
    pub(crate) fn get(&self, model: &str) -> Option<ModelLimits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).get(model).copied()
    }

    /// Whether the caller should ask the service now. A `true` counts as an attempt: concurrent callers get `false`, and the
    /// next attempt is due after [`RETRY_INTERVAL`] unless [`Self::store`] is called.
    pub(crate) fn begin_refresh(&self, now: Instant) -> bool {
        let mut next = self.next_refresh.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_some_and(|next| now < next) {
            return false;
        }
        *next = Some(now + RETRY_INTERVAL);
        true
    }

    pub(crate) fn store(&self, limits: HashMap<String, ModelLimits>, now: Instant) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        *self.next_refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + REFRESH_INTERVAL);
    }
}
