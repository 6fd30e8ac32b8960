//! Keeps spans in memory and prints a trace as a tree.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use domain::ports::Traces;
use domain::{Span, SpanId, TraceId};

use line::{Line, is_shown, summary};

mod line;

/// Maximum spans in memory, for all traces together. Beyond it the oldest are dropped.
const CAPACITY: usize = 10_000;

/// Keeps the spans of a process and prints those of one trace as a tree.
#[derive(Debug, Default)]
pub struct Tree(Mutex<Recorded>);

#[derive(Debug, Default)]
struct Recorded {
    spans: VecDeque<Span>,
    dropped: u64,
}

impl Tree {
    /// The trace as text: each span below its parent, siblings ordered by start, with duration, outcome and the most useful
    /// attributes. Spans whose parent was not recorded, because it still runs or ran in another process, come last under a
    /// line that says so.
    pub fn render(&self, trace: &TraceId) -> String {
        // The spans are copied, so that emitting does not wait for the rendering.
        let (spans, dropped) = self.spans_of(trace);
        let Some(first) = spans.first() else {
            return format!("trace {trace}: no spans were recorded\n");
        };

        let recorded: HashSet<&SpanId> = spans.iter().map(|span| &span.span_id).collect();
        let mut rows = Rows::default();
        let (mut roots, mut orphans) = (Vec::new(), Vec::new());
        for span in &spans {
            match &span.parent {
                None => roots.push(span),
                Some(parent) if recorded.contains(parent) => rows.children.entry(parent).or_default().push(span),
                Some(_) => orphans.push(span),
            }
        }
        rows.add(roots, "");
        let below_roots = rows.lines.len();
        rows.add(orphans, "  ");
        // The remaining spans have parents that form a cycle. Each cycle is shown from its earliest span.
        for span in &spans {
            rows.add(vec![span], "  ");
        }

        let width = rows.lines.iter().map(Line::width).max().unwrap_or_default();
        let mut text = summary(first, &spans);
        for (index, line) in rows.lines.iter().enumerate() {
            if index == below_roots {
                text.push_str("spans whose parent was not recorded:\n");
            }
            line.write(width, &mut text);
        }
        if dropped > 0 {
            text.push_str(&format!("the oldest {dropped} spans of this process were dropped\n"));
        }
        text
    }

    /// The spans of a trace ordered by start, and the number of dropped spans. Of several spans with one id, the first that
    /// was emitted counts.
    fn spans_of(&self, trace: &TraceId) -> (Vec<Span>, u64) {
        let recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        let of_trace = recorded.spans.iter().filter(|span| span.trace_id == *trace);
        let mut spans: Vec<Span> = of_trace.filter(|span| seen.insert(&span.span_id)).cloned().collect();
        spans.sort_by_key(|span| span.start);
        (spans, recorded.dropped)
    }
}

impl Traces for Tree {
    fn emit(&self, mut span: Span) {
        // Prompts and outputs are long, and the tree does not show them.
        span.attributes.retain(|name, _| is_shown(name));
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.spans.len() == CAPACITY {
            recorded.spans.pop_front();
            recorded.dropped += 1;
        }
        recorded.spans.push_back(span);
    }

    fn flush(&self) {}
}

/// Arranges the spans of one trace in lines.
#[derive(Default)]
struct Rows<'a> {
    children: HashMap<&'a SpanId, Vec<&'a Span>>,
    added: HashSet<&'a SpanId>,
    lines: Vec<Line<'a>>,
}

impl<'a> Rows<'a> {
    /// Adds spans that are shown without a parent, each with its descendants.
    fn add(&mut self, roots: Vec<&'a Span>, indent: &str) {
        // An explicit stack instead of recursion, because the depth of a trace is not limited.
        let mut pending: Vec<(&Span, String, String)> =
            roots.into_iter().rev().map(|span| (span, indent.to_owned(), indent.to_owned())).collect();
        while let Some((span, lead, below)) = pending.pop() {
            if !self.added.insert(&span.span_id) {
                continue;
            }
            self.lines.push(Line { lead, span });
            let children = self.children.get(&span.span_id).map_or(&[][..], Vec::as_slice);
            for (index, child) in children.iter().rev().enumerate() {
                let (branch, trunk) = if index == 0 { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                pending.push((child, format!("{below}{branch}"), format!("{below}{trunk}")));
            }
        }
    }
}
