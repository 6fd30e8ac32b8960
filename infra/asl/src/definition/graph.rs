use std::collections::HashSet;

use super::model::{State, StateMachine};
use crate::problem::{Problem, Problems};

/// Checks that every `Next` names an existing state and that every state can be reached. `names` holds all states of the
/// definition, including those that could not be parsed, so that a problem in one is not reported again as a missing
/// state.
pub(super) fn check(machine: &StateMachine, names: &HashSet<&str>, problems: &Problems) {
    if !names.contains(machine.start_at.as_str()) {
        let problem = Problem::NoSuchState(machine.start_at.clone());
        problems.report(None, "StartAt", problem);
    }
    for state in &machine.states {
        for (field, target) in state.targets() {
            if !names.contains(target) {
                let problem = Problem::NoSuchState(target.to_owned());
                problems.report(Some(&state.name), &field, problem);
            }
        }
    }
    // A state that could not be parsed might lead to any other, so then nothing is known to be unreachable.
    if machine.states.len() == names.len() {
        let reachable = reachable(machine);
        for state in &machine.states {
            if !reachable.contains(state.name.as_str()) {
                problems.report(Some(&state.name), "", Problem::Unreachable);
            }
        }
    }
}

fn reachable(machine: &StateMachine) -> HashSet<&str> {
    let mut reachable = HashSet::new();
    let mut pending: Vec<&State> = machine.state(&machine.start_at).into_iter().collect();
    while let Some(state) = pending.pop() {
        if reachable.insert(state.name.as_str()) {
            let targets = state.targets();
            pending.extend(targets.iter().filter_map(|(_, target)| machine.state(target)));
        }
    }
    reachable
}
