//! What the processes of execs use, as /proc tells it.

use std::fs;

use nix::unistd::Pid;

use crate::{ExecId, LimitReached};

/// Memory of a process in kilobytes.
#[derive(Default)]
struct Memory {
    /// Resident, and what the kernel needs for its tables, and what is swapped out.
    most: u64,
    /// The same, with what it shares counted in parts.
    shared_in_parts: Option<u64>,
}

/// The exec that uses most, and why it is to end, when all together use more than they may.
pub(super) fn over(
    execs: &[(&ExecId, Pid)],
    most_bytes: u64,
    most_sockets: Option<u64>,
) -> Option<(ExecId, LimitReached)> {
    let trees: Vec<(&ExecId, Vec<i32>)> = execs.iter().map(|(id, first)| (*id, tree(first.as_raw()))).collect();
    let kilobytes = most_bytes / 1024;
    let sum = |measure: fn(i32) -> u64| -> Vec<u64> {
        trees.iter().map(|(_, processes)| processes.iter().map(|process| measure(*process)).sum()).collect()
    };
    let largest =
        |used: &[u64]| trees.iter().zip(used).max_by_key(|(_, used)| **used).map(|((id, _), _)| (*id).clone());
    // What forks share is counted for each of them first: it is cheap, and less than the limit is less in truth.
    let used = sum(at_most);
    if used.iter().sum::<u64>() > kilobytes {
        let used = sum(in_parts);
        if used.iter().sum::<u64>() > kilobytes {
            return largest(&used).map(|id| (id, LimitReached::Memory));
        }
    }
    // Sockets hold memory that belongs to no process. They all are in one network namespace.
    let any = trees.iter().find_map(|(_, processes)| processes.iter().find_map(|process| sockets(*process)));
    match (any, most_sockets) {
        (Some(used), Some(most)) if used > most => largest(&sum(descriptors)).map(|id| (id, LimitReached::Sockets)),
        _ => None,
    }
}

/// A process and everything below it.
fn tree(process: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut pending = vec![process];
    while let Some(process) = pending.pop() {
        found.push(process);
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            pending.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
    }
    found
}

fn at_most(process: i32) -> u64 {
    memory(&fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default(), None).most
}

fn in_parts(process: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok();
    let memory = memory(&status, rollup.as_deref());
    memory.shared_in_parts.unwrap_or(memory.most)
}

fn memory(status: &str, rollup: Option<&str>) -> Memory {
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let tables = field(status, "VmPTE");
    Memory {
        most: field(status, "VmRSS") + field(status, "VmSwap") + tables,
        shared_in_parts: rollup.map(|rollup| field(rollup, "Pss") + field(rollup, "SwapPss") + tables),
    }
}

/// The sockets in a process's network namespace.
fn sockets(process: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/net/sockstat")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("sockets: used ")?.trim().parse().ok())
}

fn descriptors(process: i32) -> u64 {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_what_is_swapped_out_count_and_what_is_shared_counts_once() {
        let status = "Name:\tx\nVmRSS:\t   1000 kB\nRssAnon:\t 900 kB\nVmPTE:\t    64 kB\nVmSwap:\t     8 kB\n";
        let rollup = "00400000-7ff 0 [rollup]\nRss:   1000 kB\nPss:    300 kB\nPss_Dirty: 1 kB\nSwapPss:   4 kB\n";
        let memory = memory(status, Some(rollup));
        assert_eq!((memory.most, memory.shared_in_parts), (1072, Some(368)));
        assert!(tree(std::process::id().cast_signed()).contains(&std::process::id().cast_signed()));
        assert!(at_most(std::process::id().cast_signed()) > 1000);
    }
}
