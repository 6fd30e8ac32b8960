//! What a command finds in its environment: nothing of the embedding program's.

use std::path::Path;

use crate::Exec;
use crate::place::Place;
use crate::wire::Program;

const SYSTEM_PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// The command with everything looked up that the first process needs.
pub(crate) fn program(exec: &Exec, place: &Place) -> Program {
    let extra = place.specification.path.iter().map(|directory| text(&place.layout.inside(directory)));
    // Where package managers put programs that a user installs without rights on the system.
    let own = [text(&place.layout.home.join(".local/bin"))];
    let default_search =
        own.into_iter().chain(extra).chain(SYSTEM_PATH.map(str::to_owned)).collect::<Vec<_>>().join(":");
    let mut environment = vec![("PATH".to_owned(), default_search)];
    let own = [
        ("HOME", text(&place.layout.home)),
        ("TMPDIR", text(&place.layout.tmp)),
        ("USER", "agent".to_owned()),
        ("LOGNAME", "agent".to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in place.specification.environment.iter().chain(&exec.environment) {
        environment.retain(|(present, _)| present != name);
        environment.push((name.clone(), value.clone()));
    }
    let search = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.split(':'));
    let search =
        search.into_iter().flatten().filter(|directory| directory.starts_with('/')).map(str::to_owned).collect();
    let working_directory = exec.working_directory.as_deref().unwrap_or(&place.layout.workspace);
    Program { argv: exec.argv.clone(), environment, search, working_directory: text(working_directory) }
}

/// Paths were checked to be UTF-8.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
