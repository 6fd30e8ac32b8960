//! How many streams a principal has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Principal;

use crate::error::{ApiError, Code};

/// Counts open streams.
#[derive(Default)]
pub(crate) struct StreamSlots(Mutex<HashMap<Principal, usize>>);

/// An open stream. It no longer counts when this is dropped.
pub(crate) struct StreamSlot {
    slots: Arc<StreamSlots>,
    principal: Principal,
}

impl StreamSlots {
    /// Counts one more, if there may be one more.
    pub(crate) fn take(self: &Arc<Self>, principal: &Principal, most: usize) -> Result<StreamSlot, ApiError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(principal.clone()).or_default();
        if *count >= most {
            let message = format!("{principal} has {count} streams open, which is as many as it may; close one");
            return Err(ApiError::new(Code::LimitReached, message).after(Duration::from_secs(5)));
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
