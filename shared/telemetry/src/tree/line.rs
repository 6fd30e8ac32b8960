//! The lines of a tree and its summary.

use std::fmt::Write as _;

use domain::span::attributes;
use domain::text::{printable_line, shorten};
use domain::{AttributeValue, Span, SpanOutcome};

/// The shown attributes in their order, each with its label.
const SHOWN: [(&str, &str); 12] = [
    (attributes::REQUEST_MODEL, "model"),
    (attributes::TOOL_NAME, "tool"),
    (attributes::INPUT_TOKENS, "in"),
    (attributes::CACHE_READ_TOKENS, "cached"),
    (attributes::OUTPUT_TOKENS, "out"),
    (attributes::COST, "cost"),
    (attributes::FINISH_REASONS, "ended by"),
    (attributes::EXIT_CODE, "exit"),
    (attributes::VERDICT, "verdict"),
    (attributes::ATTEMPT, "attempt"),
    (attributes::ERROR_TYPE, "error"),
    (attributes::PULL_REQUEST, "pull request"),
];

/// Maximum characters of one text on a line.
const MAX_TEXT: usize = 120;

/// Maximum width of the column of names. A longer name moves the rest of its line to the right.
const MAX_WIDTH: usize = 60;

/// Whether a line or the summary uses an attribute.
pub(super) fn is_shown(name: &str) -> bool {
    name == attributes::OPERATION || SHOWN.iter().any(|(shown, _)| *shown == name)
}

/// One span with the branches that lead to it.
pub(super) struct Line<'a> {
    pub(super) lead: String,
    pub(super) span: &'a Span,
}

impl Line<'_> {
    /// The width of the column of names that this line needs, in characters.
    pub(super) fn width(&self) -> usize {
        (self.lead.chars().count() + clean(&self.span.name).chars().count()).min(MAX_WIDTH)
    }

    /// Appends the line to `text`.
    pub(super) fn write(&self, width: usize, text: &mut String) {
        let Self { lead, span } = self;
        let name = format!("{lead}{}", clean(&span.name));
        let mut line = format!("{name:width$}  {:>10}  {}", duration(span), outcome(&span.outcome));
        for (attribute, label) in SHOWN {
            if let Some(value) = span.attributes.get(attribute).and_then(|value| shown(attribute, value)) {
                // Names such as `chat claude-…` and `execute_tool bash` already contain the value.
                if !span.name.ends_with(&format!(" {value}")) {
                    let _ = write!(line, "  {label} {value}");
                }
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// The line above a tree: the number of spans, the duration since the start of `first`, and the tokens and cost of the model
/// calls.
pub(super) fn summary(first: &Span, spans: &[Span]) -> String {
    let end = spans.iter().map(|span| span.end).max().unwrap_or(first.end);
    let length = milliseconds(end.duration_since(first.start).as_millis());
    let mut text = format!("trace {}  {} spans  {length}", first.trace_id, spans.len());
    // Other spans may repeat the usage of the calls below them, which would count it twice.
    let is_chat = |span: &&Span| span.attributes.get(attributes::OPERATION) == Some(&AttributeValue::from("chat"));
    let calls: Vec<&Span> = spans.iter().filter(is_chat).collect();
    if !calls.is_empty() {
        let sum = |name| calls.iter().filter_map(|call| number(call.attributes.get(name)?)).sum::<f64>();
        let (input, output) = (sum(attributes::INPUT_TOKENS), sum(attributes::OUTPUT_TOKENS));
        let _ = write!(text, "  in {input}  out {output}  cost {}", dollars(sum(attributes::COST)));
    }
    text.push('\n');
    text
}

fn shown(name: &str, value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::Integer(1) if name == attributes::ATTEMPT => None,
        AttributeValue::Integer(0) if name == attributes::CACHE_READ_TOKENS => None,
        AttributeValue::Float(number) if name == attributes::COST => Some(dollars(*number)),
        AttributeValue::Text(text) => Some(clean(text)),
        AttributeValue::Integer(number) => Some(number.to_string()),
        AttributeValue::Float(number) => Some(number.to_string()),
        AttributeValue::Flag(flag) => Some(flag.to_string()),
        AttributeValue::Texts(texts) => Some(clean(&texts.join(", "))),
    }
}

fn number(value: &AttributeValue) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "tokens of one trace are far below 2^53")]
        AttributeValue::Integer(number) => Some(*number as f64),
        AttributeValue::Float(number) => Some(*number),
        AttributeValue::Text(_) | AttributeValue::Flag(_) | AttributeValue::Texts(_) => None,
    }
}

fn dollars(amount: f64) -> String {
    format!("${amount:.4}")
}

fn duration(span: &Span) -> String {
    milliseconds(span.end.duration_since(span.start).as_millis())
}

fn milliseconds(milliseconds: i128) -> String {
    // A clock that was set back between start and end would make a duration negative.
    let milliseconds = milliseconds.max(0);
    let (seconds, tenths) = (milliseconds / 1000, milliseconds % 1000 / 100);
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{tenths} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

fn outcome(outcome: &SpanOutcome) -> String {
    match outcome {
        SpanOutcome::Ok => "ok".to_owned(),
        SpanOutcome::Error(sentence) => format!("FAILED: {}", clean(sentence)),
    }
}

/// An untrusted text as part of one line on a terminal.
fn clean(text: &str) -> String {
    printable_line(&shorten(text, MAX_TEXT)).into_owned()
}
