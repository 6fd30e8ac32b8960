//! Traces as readable trees, in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use domain::ports::Traces;
use domain::{Span, SpanId, TraceId};

use line::{Line, is_shown, summary};

mod line;

/// The most spans that are kept, of all traces together. Beyond it the oldest are let go.
const CAPACITY: usize = 10_000;

/// Keeps the spans of a process and shows those of one trace as a tree.
#[derive(Debug, Default)]
pub struct Tree(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    spans: VecDeque<Span>,
    let_go: u64,
}

impl Tree {
    /// The trace as text: each span below its parent, siblings by their start, with duration, outcome and what is
    /// telling about it. Spans whose parent was not seen (it runs still, or ran in another process) come last, under a
    /// line that says so.
    pub fn render(&self, trace: &TraceId) -> String {
        // Copied, so that nobody who emits waits for the rendering.
        let (spans, let_go) = self.spans_of(trace);
        let Some(first) = spans.first() else {
            return format!("trace {trace}: no spans were seen\n");
        };

        let seen: HashSet<&SpanId> = spans.iter().map(|span| &span.span_id).collect();
        let mut rows = Rows::default();
        let (mut roots, mut orphans) = (Vec::new(), Vec::new());
        for span in &spans {
            match &span.parent {
                None => roots.push(span),
                Some(parent) if seen.contains(parent) => rows.children.entry(parent).or_default().push(span),
                Some(_) => orphans.push(span),
            }
        }
        rows.place(roots, "");
        let below_roots = rows.lines.len();
        rows.place(orphans, "  ");
        // What is left has parents that lead in a circle. It is shown all the same, each circle from its earliest span.
        for span in &spans {
            rows.place(vec![span], "  ");
        }

        let width = rows.lines.iter().map(Line::width).max().unwrap_or_default();
        let mut text = summary(first, &spans);
        for (index, line) in rows.lines.iter().enumerate() {
            if index == below_roots {
                text.push_str("spans whose parent was not seen:\n");
            }
            line.write(width, &mut text);
        }
        if let_go > 0 {
            text.push_str(&format!("the oldest {let_go} spans of this process were let go\n"));
        }
        text
    }

    /// The spans of a trace by their start, of those with the same id the first that came, and how many were let go.
    fn spans_of(&self, trace: &TraceId) -> (Vec<Span>, u64) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        let of_trace = kept.spans.iter().filter(|span| span.trace_id == *trace);
        let mut spans: Vec<Span> = of_trace.filter(|span| seen.insert(&span.span_id)).cloned().collect();
        spans.sort_by_key(|span| span.start);
        (spans, kept.let_go)
    }
}

impl Traces for Tree {
    fn emit(&self, mut span: Span) {
        // Prompts and outputs are long and not shown.
        span.attributes.retain(|name, _| is_shown(name));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.spans.len() == CAPACITY {
            kept.spans.pop_front();
            kept.let_go += 1;
        }
        kept.spans.push_back(span);
    }

    fn flush(&self) {}
}

/// The spans of one trace, being put in order.
#[derive(Default)]
struct Rows<'a> {
    children: HashMap<&'a SpanId, Vec<&'a Span>>,
    placed: HashSet<&'a SpanId>,
    lines: Vec<Line<'a>>,
}

impl<'a> Rows<'a> {
    /// Places spans that have no parent here, each with all that is below it.
    fn place(&mut self, tops: Vec<&'a Span>, indent: &str) {
        // A stack of our own instead of recursion, since depth is up to whoever emits.
        let mut open: Vec<(&Span, String, String)> =
            tops.into_iter().rev().map(|span| (span, indent.to_owned(), indent.to_owned())).collect();
        while let Some((span, lead, below)) = open.pop() {
            if !self.placed.insert(&span.span_id) {
                continue;
            }
            self.lines.push(Line { lead, span });
            let children = self.children.get(&span.span_id).map_or(&[][..], Vec::as_slice);
            for (index, child) in children.iter().rev().enumerate() {
                let (branch, trunk) = if index == 0 { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                open.push((child, format!("{below}{branch}"), format!("{below}{trunk}")));
            }
        }
    }
}
