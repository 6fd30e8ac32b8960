//! Reading a log page by page.

use crate::{Event, Seq, SessionId};

use super::{EventLog, ReadError};

/// A part of a log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Oldest first; may be empty although there are more.
    pub events: Vec<Event>,
    /// After which event the next page begins; none when the log was read to its end.
    pub next: Option<Seq>,
}

/// Events per read of [`read_all`].
const PAGE_ITEMS: usize = 1000;

/// All events after `after`, in order.
pub async fn read_all(event_log: &dyn EventLog, session: &SessionId, after: Seq) -> Result<Vec<Event>, ReadError> {
    let mut events: Vec<Event> = Vec::new();
    let mut next = Some(after);
    while let Some(after) = next {
        let page = event_log.read(session, after, PAGE_ITEMS).await?;
        events.extend(page.events);
        next = page.next;
    }
    Ok(events)
}
