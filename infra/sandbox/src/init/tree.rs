//! The processes of an exec, or of a whole reduced sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Kingdom;

/// A process as /proc tells it.
struct Entry {
    pid: i32,
    parent: i32,
    dead: bool,
}

/// What is alive in this process's kingdom, itself apart.
pub(crate) fn living(kingdom: Kingdom) -> Vec<Pid> {
    entries(kingdom).iter().map(|entry| Pid::from_raw(entry.pid)).collect()
}

fn entries(kingdom: Kingdom) -> Vec<Entry> {
    // Usually nothing is left in a namespace, and the kernel says so at once, while listing a /proc that nobody has listed before
    // takes half a millisecond.
    if kingdom == Kingdom::Namespace && kill(Pid::from_raw(-1), None) == Err(Errno::ESRCH) {
        return Vec::new();
    }
    let own = Pid::this().as_raw();
    let mut entries = read();
    let members: BTreeSet<i32> = match kingdom {
        Kingdom::Namespace => entries.iter().map(|entry| entry.pid).collect(),
        Kingdom::Descendants => descendants(own, &entries),
    };
    entries.retain(|entry| !entry.dead && entry.pid != own && members.contains(&entry.pid));
    entries
}

/// Kills the kingdom until nothing in it is alive; `reap` collects the dead between the rounds.
pub(crate) fn end(kingdom: Kingdom, mut reap: impl FnMut()) {
    match kingdom {
        // One call that nothing in the namespace escapes; what it killed is waited for by the caller.
        Kingdom::Namespace => {
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        }
        // Orphans come to this process, their subreaper, so that every round sees the whole tree. A first round stops
        // everything: what is stopped does not fork.
        Kingdom::Descendants => {
            let mut signal = Signal::SIGSTOP;
            loop {
                let members = living(kingdom);
                if members.is_empty() {
                    return;
                }
                for member in members {
                    let _ = kill(member, signal);
                }
                signal = Signal::SIGKILL;
                reap();
            }
        }
    }
}

/// Kills this process's descendants, its children last. The children are first processes, which are never stopped: should this
/// process be killed in the middle, each of them sees it and ends what is left of its tree.
pub(crate) fn end_with_children_last(mut reap: impl FnMut()) {
    let own = Pid::this().as_raw();
    let mut signal = Signal::SIGSTOP;
    loop {
        let (children, below): (Vec<Entry>, Vec<Entry>) =
            entries(Kingdom::Descendants).into_iter().partition(|entry| entry.parent == own);
        let (members, with, next) = match (children.is_empty(), below.is_empty()) {
            (true, true) => return,
            (_, false) => (below, signal, Signal::SIGKILL),
            (false, true) => (children, Signal::SIGKILL, Signal::SIGSTOP),
        };
        for member in members {
            let _ = kill(Pid::from_raw(member.pid), with);
        }
        signal = next;
        reap();
    }
}

fn descendants(of: i32, entries: &[Entry]) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in entries {
        children.entry(entry.parent).or_default().push(entry.pid);
    }
    let mut found = BTreeSet::new();
    let mut pending = vec![of];
    while let Some(parent) = pending.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if found.insert(*child) {
                pending.push(*child);
            }
        }
    }
    found
}

fn read() -> Vec<Entry> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)).collect()
}

/// The name of the program, in parentheses, may contain anything, parentheses too.
fn parse(pid: i32, stat: &[u8]) -> Option<Entry> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X" | "x");
    Some(Entry { pid, parent: fields.next()?.parse().ok()?, dead })
}
