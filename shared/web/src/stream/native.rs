//! The native format: public frames as Server-Sent Events.

use domain::ports::LiveReply;
use domain::{Seq, SessionId};
use serde_json::{Value, json};

use crate::stream_kinds;
use crate::view::events_url;

/// Renders a stored frame. Serialized JSON contains no line breaks, which would end the `data:` line.
pub(super) fn stored(seq: Seq, frame: &Value, out: &mut String) {
    out.push_str(&format!("id: {seq}\ndata: {frame}\n\n"));
}

/// Renders a frame that is not stored. It has no id, so a client resumes after the last stored frame.
pub(super) fn transient(frame: &Value, out: &mut String) {
    out.push_str(&format!("data: {frame}\n\n"));
}

/// The first frame of a stream.
pub(super) fn opened(session: &SessionId) -> Value {
    let url = events_url(session);
    json!({
        "v": 1,
        "sessionId": session,
        "kind": stream_kinds::STREAM_OPENED,
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
        "kind": stream_kinds::RESUME,
        "type": "status",
        "message": format!("This stream ends here, but the session continues; resume at {url}"),
        "eventsUrl": url,
    })
}

/// Text that was added to a live reply. `offset` counts characters (Unicode code points): the text replaces everything that the
/// client has of the reply from there on. A client that has less than `offset` characters of the reply has missed a part: only the
/// end of a reply is shown live. The final event has the whole text.
pub(super) fn delta(session: &SessionId, reply: &LiveReply, offset: usize, text: &str) -> Value {
    json!({
        "v": 1,
        "sessionId": session,
        "kind": stream_kinds::DELTA,
        "type": "delta",
        "message": text.lines().last().unwrap_or_default(),
        "conversation": reply.conversation,
        "turn": reply.turn,
        "attempt": reply.attempt,
        "offset": offset,
        "text": text,
    })
}
