use jiff::Timestamp;

/// Parses the language's profile of RFC 3339: a capital `T` between date and time, and a capital `Z` or an offset at the
/// end. `jiff` alone would also accept a space, a lower-case `z` and a time zone in brackets.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let strict = text.as_bytes().get(10) == Some(&b'T') && !text.contains(['z', '[', ' ']);
    text.parse().ok().filter(|_| strict)
}
