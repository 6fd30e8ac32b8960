use std::collections::HashSet;

use super::{
    machine::{State, StateMachine},
    problem::{Problem, Problems},
};

/// Checks that every state named exists and every state that exists can be reached. `names` holds all states of the
/// text, those that could not be read included, so that one mistake is not told twice.
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
    // A state that could not be read might have led anywhere.
    if machine.states.len() == names.len() {
        let reached = reached(machine);
        for state in &machine.states {
            if !reached.contains(state.name.as_str()) {
                problems.report(Some(&state.name), "", Problem::Unreachable);
            }
        }
    }
}

fn reached(machine: &StateMachine) -> HashSet<&str> {
    let mut reached = HashSet::new();
    let mut open: Vec<&State> = machine.state(&machine.start_at).into_iter().collect();
    while let Some(state) = open.pop() {
        if reached.insert(state.name.as_str()) {
            let targets = state.targets();
            open.extend(targets.iter().filter_map(|(_, target)| machine.state(target)));
        }
    }
    reached
}
