//! Messages that are final, as they are sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{BlobRef, CallId, RawJson, TurnNumber};

use super::reply;
use super::written;
use super::{AnsweredTurn, Texts, TranscriptError};

/// The messages of a conversation's first turns.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SentMessages {
    /// The first of them, stored as parts of a snapshot.
    pub(super) parts: Vec<Part>,
    /// Those that are not stored yet.
    recent: Vec<RawJson>,
    /// The tool calls of the last reply, in its order.
    pub(super) calls: Vec<CallId>,
}

/// Messages in a blob of their own. Further ones are stored in further parts, so that a snapshot of a long conversation costs
/// no more than what was added to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) blob: BlobRef,
    /// None until they are fetched: only a call to the model needs them.
    #[serde(skip)]
    messages: Option<Vec<RawJson>>,
}

/// The first line of a part's blob. The messages follow it without anything in between.
#[derive(Serialize, Deserialize)]
struct PartHead {
    /// Makes the content unlike that of every other blob, so that the part can be deleted without harm to them.
    id: String,
    /// Length of each message, in bytes.
    lengths: Vec<usize>,
}

/// The content of a part's blob.
fn write_part(id: &str, messages: &[RawJson]) -> Result<Vec<u8>, serde_json::Error> {
    let lengths = messages.iter().map(|message| message.as_str().len()).collect();
    let mut content = serde_json::to_vec(&PartHead { id: id.to_owned(), lengths })?;
    content.push(b'\n');
    messages.iter().for_each(|message| content.extend_from_slice(message.as_str().as_bytes()));
    Ok(content)
}

/// The messages in a part's blob, which share its text; none when it is not what [`write_part`] wrote.
fn read_part(content: &Arc<String>) -> Option<Vec<RawJson>> {
    let head = content.find('\n')?;
    let PartHead { lengths, .. } = serde_json::from_str(&content[..head]).ok()?;
    let mut start = head + 1;
    let mut messages = Vec::with_capacity(lengths.len());
    for length in lengths {
        let end = start.checked_add(length)?;
        messages.push(RawJson::written_before(content, start..end)?);
        start = end;
    }
    (start == content.len()).then_some(messages)
}

/// Size in bytes from which on a part is not replaced by a longer one.
const FULL_PART_BYTES: u64 = 128 * 1024;

impl AnsweredTurn {
    /// The messages of the turn: that of the user, which answers the calls `before`, and that of the model.
    pub(super) fn messages(&self, before: &[CallId], texts: &Texts) -> Result<Vec<RawJson>, TranscriptError> {
        let number = self.number;
        let user = written::user_message(number, before, &self.results, &self.messages, texts)?;
        let reply = texts.get(&self.reply).ok_or_else(|| written::not_fetched(number))?;
        let assistant = reply::sent_back(reply, &self.calls).map_err(|error| written::unreadable(number, &error))?;
        // An empty reply is left out. The service treats the consecutive user messages around it as one.
        Ok([user].into_iter().chain(assistant).collect())
    }
}

impl SentMessages {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.recent.is_empty()
    }

    /// The messages, once they are loaded.
    pub(super) fn messages(&self) -> impl Iterator<Item = &RawJson> {
        self.parts.iter().flat_map(|part| part.messages.iter().flatten()).chain(&self.recent)
    }

    pub(super) fn needed_parts(&self) -> impl Iterator<Item = &BlobRef> {
        self.parts.iter().filter(|part| part.messages.is_none()).map(|part| &part.blob)
    }

    pub(super) fn unstored_bytes(&self) -> usize {
        self.recent.iter().map(|message| message.as_str().len()).sum()
    }

    pub(super) fn load(&mut self, texts: &Texts, turn: TurnNumber) -> Result<(), TranscriptError> {
        for part in self.parts.iter_mut().filter(|part| part.messages.is_none()) {
            let text = texts.blob(&part.blob).ok_or_else(|| written::not_fetched(turn))?;
            let messages = read_part(text).ok_or_else(|| TranscriptError::Unreadable {
                turn,
                reason: "a part of the conversation is not as it was stored".to_owned(),
            })?;
            part.messages = Some(messages);
        }
        Ok(())
    }

    /// Adds the messages of the next turn.
    pub(super) fn add(&mut self, turn: &AnsweredTurn, texts: &Texts) -> Result<(), TranscriptError> {
        self.recent.extend(turn.messages(&self.calls, texts)?);
        self.calls.clone_from(&turn.calls);
        Ok(())
    }

    /// Treats every message as not stored yet, because the parts are gone. False when they are not loaded, so that nothing can
    /// be done.
    pub(crate) fn forget_parts(&mut self) -> bool {
        if self.parts.iter().any(|part| part.messages.is_none()) {
            return false;
        }
        let recent = std::mem::take(&mut self.recent);
        self.recent = self.parts.drain(..).flat_map(|part| part.messages.unwrap_or_default()).chain(recent).collect();
        true
    }

    /// The content of the part that is to be stored next; none when every message is stored. A last part that is short
    /// becomes the beginning of it.
    pub(crate) fn next_part(&mut self, id: &str) -> Option<Result<Vec<u8>, serde_json::Error>> {
        if self.recent.is_empty() {
            return None;
        }
        let short = |part: &mut Part| part.blob.bytes < FULL_PART_BYTES && part.messages.is_some();
        if let Some(last) = self.parts.pop_if(short) {
            self.recent.splice(0..0, last.messages.unwrap_or_default());
        }
        Some(write_part(id, &self.recent))
    }

    /// Records that the content of [`SentMessages::next_part`] is stored.
    pub(crate) fn stored(&mut self, blob: BlobRef) {
        self.parts.push(Part { blob, messages: Some(std::mem::take(&mut self.recent)) });
    }
}
