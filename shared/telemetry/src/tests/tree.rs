//! The tree that `--trace` prints.

use domain::AttributeValue;
use domain::ports::Traces as _;
use domain::span::attributes;

use super::spans::{With as _, span, trace_id};
use crate::Tree;

#[test]
fn a_session_is_shown_as_a_tree() {
    let tree = Tree::default();
    let chat = |number, parent, from, until| {
        span(number, Some(parent), "chat claude-sonnet-4-5", from, until)
            .with(attributes::OPERATION, "chat")
            .with(attributes::REQUEST_MODEL, "claude-sonnet-4-5")
            .with(attributes::INPUT_TOKENS, 1200u64)
            .with(attributes::CACHE_READ_TOKENS, 1000u64)
            .with(attributes::OUTPUT_TOKENS, 80u64)
            .with(attributes::COST, 0.002_175)
            .with(attributes::INPUT, "a long prompt that is not shown")
    };
    let reasons = AttributeValue::Texts(vec!["tool_call".to_owned()]);
    // Spans are emitted when they end, which is not the order in which they are shown.
    for span in [
        span(2, Some(1), "step prepare", 0, 3210).with(attributes::VERDICT, "plan"),
        chat(4, 3, 3500, 8100),
        span(3, Some(1), "step plan", 3300, 8200).with(attributes::VERDICT, "turn").with(attributes::ATTEMPT, 1u64),
        chat(7, 6, 8400, 12_000).with(attributes::FINISH_REASONS, reasons),
        span(6, Some(5), "turn 1", 8350, 12_050),
        span(5, Some(1), "step generate-turn", 8300, 12_100)
            .with(attributes::VERDICT, "tools")
            .with(attributes::ATTEMPT, 2u64),
        span(9, Some(8), "execute_tool bash", 12_300, 75_300)
            .with(attributes::TOOL_NAME, "bash")
            .with(attributes::EXIT_CODE, AttributeValue::Integer(-9))
            .with(attributes::ERROR_TYPE, "timeout")
            .failed("the command ran out of time"),
        span(10, Some(8), "execute_tool view", 12_290, 12_300).with(attributes::TOOL_NAME, "view"),
        span(8, Some(1), "step execute-tool", 12_200, 75_400).with(attributes::VERDICT, "publish"),
        span(12, Some(11), "forge create_branch", 76_000, 76_400),
        span(1, None, "invoke_agent tiny-backspace", 0, 80_000)
            .with(attributes::PULL_REQUEST, "https://github.com/o/r/pull/1"),
    ] {
        tree.emit(span);
    }
    insta::assert_snapshot!(tree.render(&trace_id()));
}

#[test]
fn hostile_names_stay_on_their_line_and_cycles_are_shown_once() {
    let tree = Tree::default();
    tree.emit(span(1, Some(2), "one\r\n\u{1b}[2J\u{202e}", 0, 10));
    tree.emit(span(2, Some(1), "two", 5, 10).failed("a\nb"));
    tree.emit(span(3, Some(3), &"long ".repeat(100), 7, 10));
    tree.emit(span(3, None, "an id that was used before", 8, 10));
    insta::assert_snapshot!(tree.render(&trace_id()));
}

#[test]
fn a_trace_without_spans_says_so() {
    assert_eq!(Tree::default().render(&trace_id()), "trace 6923610d0123456789abcdef01234567: no spans were recorded\n");
}
