//! Limits the open streams of each principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Principal;

use crate::error::{ApiError, Code};

/// Counts the open streams of each principal.
#[derive(Default)]
pub(crate) struct StreamSlots(Mutex<HashMap<Principal, usize>>);

/// A slot of an open stream, released on drop.
pub(crate) struct StreamSlot {
    slots: Arc<StreamSlots>,
    principal: Principal,
}

impl StreamSlots {
    pub(crate) fn acquire(self: &Arc<Self>, principal: &Principal, max: usize) -> Result<StreamSlot, ApiError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(principal.clone()).or_default();
        if *count >= max {
            let message = format!("{principal} has {count} open streams, the maximum; close one of them");
            return Err(ApiError::new(Code::LimitReached, message).retry_after(Duration::from_secs(5)));
        }
        *count += 1;
        Ok(StreamSlot { slots: Arc::clone(self), principal: principal.clone() })
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut open = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.principal);
            }
        }
    }
}
