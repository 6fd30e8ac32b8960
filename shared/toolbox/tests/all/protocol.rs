use serde_json::json;
use toolbox::{ErrorKind, Response, VERSION};

use crate::fixture::{Fixture, kind, send};

#[test]
fn an_invalid_request_gets_an_error_of_its_kind() {
    let fixture = Fixture::bare();
    let request = |version: u32, call: serde_json::Value| {
        let (workspace, state) = (fixture.workspace(), fixture.state());
        json!({"version": version, "workspace": workspace, "state": state, "call": call}).to_string()
    };
    let cases = [
        (String::new(), ErrorKind::Protocol),
        ("garbage".to_owned(), ErrorKind::Protocol),
        ("{}".to_owned(), ErrorKind::Protocol),
        (json!({"version": VERSION + 1, "new": true}).to_string(), ErrorKind::Version),
        (request(VERSION, json!({"fly": {}})), ErrorKind::Protocol),
        (request(VERSION, json!({"view": {"path": ".", "colour": 1}})), ErrorKind::Protocol),
        (request(VERSION, json!({"survey": {"deep": true}})), ErrorKind::Protocol),
        (request(VERSION, json!({"view": {"path": "a"}, "survey": {}})), ErrorKind::Protocol),
        (
            request(VERSION, json!({"restore": {"changes": [{"kind": "delete", "path": "a", "mode": "100644"}]}})),
            ErrorKind::Protocol,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(kind(send(bytes.as_bytes())), expected, "{bytes}");
    }
    let mut with_more: serde_json::Value = serde_json::from_str(&request(VERSION, json!({"survey": {}}))).unwrap();
    assert!(send(with_more.to_string().as_bytes()).is_ok());
    with_more["extra"] = json!(1);
    assert_eq!(kind(send(with_more.to_string().as_bytes())), ErrorKind::Protocol);
}

#[test]
fn an_invalid_response_is_a_failure() {
    for bytes in [
        "",
        "[]",
        r#"{"version":5}"#,
        r#"{"version":5,"ok":{"view":{"text":"","path":"","cut":false}},"error":{"kind":"io","message":""}}"#,
        r#"{"version":5,"error":{"kind":"unheard-of","message":""}}"#,
    ] {
        assert_eq!(kind(Response::parse(bytes.as_bytes())), ErrorKind::Protocol, "{bytes}");
    }
    assert_eq!(kind(Response::parse(br#"{"version":1,"ok":1}"#)), ErrorKind::Version);
}
