//! The thread that starts supervisors. The kernel sends a supervisor its death signal when the *thread* that started it ends,
//! so that this thread must last as long as the program.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

struct Job {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

static SPAWNER: OnceLock<Option<Sender<Job>>> = OnceLock::new();

/// Starts a process from the lasting thread.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let gone = || io::Error::other("the thread that starts supervisors is gone");
    let spawner = SPAWNER.get_or_init(start).as_ref().ok_or_else(gone)?;
    let (answer, answered) = channel();
    spawner.send(Job { command, answer }).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

fn start() -> Option<Sender<Job>> {
    let (sender, jobs) = channel::<Job>();
    let thread = thread::Builder::new().name("supervisor-spawner".to_owned()).spawn(move || {
        // The sender is never dropped: the loop is for ever.
        while let Ok(mut job) = jobs.recv() {
            let _ = job.answer.send(job.command.spawn());
        }
    });
    thread.ok().map(|_| sender)
}
