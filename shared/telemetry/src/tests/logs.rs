//! The format and the filtering of log lines.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::{debug, info, info_span, warn};

use crate::logs::{Format, LogsError, subscriber};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn lines(format: Format, level: &str, events: impl FnOnce()) -> Vec<String> {
    let written = Buffer::default();
    let writer = written.clone();
    let subscriber = subscriber(format, level, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, events);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_json_line_has_the_fields_of_its_event_at_the_top_level() {
    let lines = lines(Format::Json, "info", || {
        let _around = info_span!("invocation", request_id = "r-1").entered();
        info!(session_id = "s-1", step = "plan", trace_id = "t-1", "planned\nin two lines");
        debug!("not at this level");
    });
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["session_id"], "s-1");
    assert_eq!(line["step"], "plan");
    assert_eq!(line["trace_id"], "t-1");
    assert_eq!(line["message"], "planned\nin two lines");
    assert_eq!(line["spans"][0]["request_id"], "r-1");
}

#[test]
fn crates_that_print_credentials_are_not_logged_below_info() {
    let lines = lines(Format::Human, "trace,h2=trace", || {
        debug!(target: "h2::codec", "authorization: secret");
        debug!(target: "opentelemetry-otlp", "url with a key");
        warn!(target: "hyper", "a warning");
        debug!(target: "agent::plan", "our own");
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("a warning") && lines[1].contains("our own"), "{lines:?}");
}

#[test]
fn an_invalid_level_is_refused() {
    let refusal = subscriber(Format::Human, "agent=loud", std::io::sink).err().unwrap();
    assert!(matches!(&refusal, LogsError::Level { level, .. } if level == "agent=loud"), "{refusal:?}");
}
