//! Addresses and headers of a collector.

use crate::{Collector, CollectorError};

#[test]
fn the_path_for_traces_is_added_to_the_base_address() {
    for (base, endpoint) in [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://example.com/api/public/otel", "https://example.com/api/public/otel/v1/traces"),
    ] {
        assert_eq!(Collector::new(base).unwrap().endpoint.as_str(), endpoint);
    }
}

#[test]
fn the_refusal_of_an_address_or_header_does_not_repeat_it() {
    assert_eq!(Collector::new("localhost:4318").unwrap_err(), CollectorError::Scheme("localhost".to_owned()));
    let local = || Collector::new("http://localhost:4318").unwrap();
    for refusal in [
        Collector::new("https://user:secret@example.com").unwrap_err(),
        Collector::new("https://example.com?key=secret").unwrap_err(),
        Collector::new("no address, but a secret").unwrap_err(),
        local().headers("a=b,secret").unwrap_err(),
        local().headers("secret=%zz").unwrap_err(),
        local().headers("a=secret%0d%0ab: c").unwrap_err(),
    ] {
        let message = format!("{refusal} {refusal:?}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn debug_shows_the_names_of_headers_and_not_their_values() {
    let collector = Collector::new("http://localhost:4318").unwrap().headers("authorization=Bearer%20secret").unwrap();
    let shown = format!("{collector:?}");
    assert!(shown.contains("authorization") && !shown.contains("secret"), "{shown}");
}
