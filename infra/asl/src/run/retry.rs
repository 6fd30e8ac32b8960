use std::time::Duration;

use crate::{
    definition::{Catcher, Task},
    failure::Failure,
    ports::Random,
};

/// What follows a task's failure.
pub(crate) enum Recovery<'a> {
    /// Retry after a delay; `retries` are the counters of that attempt.
    Retry {
        delay: Duration,
        retries: Vec<u32>,
    },
    Catch(&'a Catcher),
    None,
}

/// Applies Retry first, then Catch. The first Retry entry that matches the error decides even when its attempts are used
/// up: that is how an entry with `MaxAttempts` 0 keeps an error from a later `States.ALL`.
pub(crate) fn recover<'a>(task: &'a Task, failure: &Failure, retries: &[u32], random: &dyn Random) -> Recovery<'a> {
    let mut entries = task.retries.iter().enumerate();
    if let Some((index, retrier)) = entries.find(|(_, retrier)| failure.is_any_of(retrier.error_equals())) {
        // The definition may have gained entries since the position was saved.
        let mut retries = retries.to_vec();
        retries.resize(task.retries.len(), 0);
        let used = &mut retries[index];
        if *used < retrier.max_attempts() {
            let delay = retrier.delay(*used, fraction(random));
            *used += 1;
            return Recovery::Retry { delay, retries };
        }
    }
    let mut catches = task.catches.iter();
    match catches.find(|catcher| failure.is_any_of(catcher.error_equals())) {
        Some(catcher) => Recovery::Catch(catcher),
        None => Recovery::None,
    }
}

/// A random number from 0 up to, but not including, 1, made of the 53 bits that an `f64` can hold.
fn fraction(random: &dyn Random) -> f64 {
    (random.next() >> 11) as f64 / (1u64 << 53) as f64
}
