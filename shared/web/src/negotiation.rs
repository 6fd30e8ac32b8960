//! Content negotiation.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName};

/// RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The quality of a media type in the `Accept` headers, in thousandths; none when no range matches it.
///
/// A more specific range takes precedence (RFC 9110, section 12.5.1).
fn quality(headers: &HeaderMap, wanted: &str) -> Option<u32> {
    let (family, _) = wanted.split_once('/')?;
    let mut best: Option<(u8, u32)> = None;
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specific = match media.split_once('/') {
            Some(_) if media == wanted => 2,
            Some((own, "*")) if own == family => 1,
            Some(("*", "*")) => 0,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.and_then(|text| text.parse::<f32>().ok()).unwrap_or(1.0).clamp(0.0, 1.0);
        let weight = (weight * 1000.0) as u32;
        if best.is_none_or(|(known, _)| specific >= known) {
            best = Some((specific, weight));
        }
    }
    best.map(|(_, weight)| weight)
}

/// Whether the client prefers JSON to a stream. One that accepts anything gets the stream.
pub(crate) fn prefers_json(headers: &HeaderMap) -> bool {
    prefers(headers, "application/json", "text/event-stream")
}

/// Whether the client prefers HTML to JSON. One that accepts anything gets JSON.
pub fn prefers_html(headers: &HeaderMap) -> bool {
    prefers(headers, "text/html", "application/json")
}

/// Whether the client prefers the media type `text` to JSON. One that accepts anything gets JSON.
pub(crate) fn prefers_text(headers: &HeaderMap, text: &str) -> bool {
    prefers(headers, text, "application/json")
}

fn prefers(headers: &HeaderMap, wanted: &str, otherwise: &str) -> bool {
    quality(headers, wanted).unwrap_or(0) > quality(headers, otherwise).unwrap_or(0)
}

/// Whether the client sent `Prefer: respond-async`.
pub(crate) fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    preferences
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split(';').next())
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_client_gets_a_stream_unless_it_prefers_json() {
        for streams in ["*/*", "text/event-stream", "text/event-stream, application/json", "text/html, */*;q=0.8", "x"]
        {
            assert!(!prefers_json(&accept(streams)), "{streams}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
        for json in [
            "application/json",
            "application/json, text/event-stream;q=0.5",
            "application/*",
            "application/json, text/plain, */*;q=0.1",
            "application/json;q=0.4, text/event-stream;q=0.3",
        ] {
            assert!(prefers_json(&accept(json)), "{json}");
        }
    }

    #[test]
    fn respond_async_is_found_among_other_preferences() {
        let mut headers = HeaderMap::new();
        headers.insert(PREFER, "wait=10, Respond-Async; x=1".parse().unwrap());
        assert!(prefers_async(&headers));
        headers.insert(PREFER, "respond-asynchronously".parse().unwrap());
        assert!(!prefers_async(&headers));
    }
}
