//! The frames as they are, and the words of Server-Sent Events.

use domain::ports::LiveReply;
use domain::{Seq, SessionId};
use serde_json::{Value, json};

use crate::view::events_url;

/// A stored frame. JSON on one line has no line breaks of its own.
pub(super) fn stored(seq: Seq, frame: &Value, out: &mut String) {
    out.push_str(&format!("id: {seq}\ndata: {frame}\n\n"));
}

/// A frame that is not stored: no id, so that a client goes on after the last stored one.
pub(super) fn passing(frame: &Value, out: &mut String) {
    out.push_str(&format!("data: {frame}\n\n"));
}

/// The first frame of a stream.
pub(super) fn opened(session: &SessionId) -> Value {
    let url = events_url(session);
    json!({
        "v": 1,
        "sessionId": session,
        "kind": "stream.opened",
        "type": "status",
        "message": format!("Session {session}; its events are at {url}"),
        "eventsUrl": url,
    })
}

/// The last frame of a stream that ends before the session does.
pub(super) fn resume(session: &SessionId, after: Seq) -> Value {
    let url = format!("{}?after={after}", events_url(session));
    json!({
        "v": 1,
        "sessionId": session,
        "kind": "resume",
        "type": "status",
        "message": format!("This stream ends here, the session goes on: {url}"),
        "eventsUrl": url,
    })
}

/// What was written of a reply since a viewer last saw it. `offset` counts characters (Unicode code points) of the reply so
/// far: what a client has beyond it is replaced.
pub(super) fn delta(session: &SessionId, reply: &LiveReply, offset: usize, text: &str) -> Value {
    json!({
        "v": 1,
        "sessionId": session,
        "kind": "delta",
        "type": "delta",
        "message": text.lines().last().unwrap_or_default(),
        "conversation": reply.conversation,
        "turn": reply.turn,
        "attempt": reply.attempt,
        "offset": offset,
        "text": text,
    })
}
