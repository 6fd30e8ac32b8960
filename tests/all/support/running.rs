//! The program while it runs, its output read line by line.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

/// A program that runs and writes JSON, one value per line: an iterator over these values. Dropping it kills the program.
pub(crate) struct RunningProgram {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl RunningProgram {
    /// Starts a program. Its stderr is the test's.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Kills the program and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the program to end (SIGTERM) and waits until it has; none when it had ended before.
    pub(crate) fn terminate(&mut self) -> Option<ExitStatus> {
        if self.child.try_wait().unwrap().is_some() {
            return None;
        }
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success(), "kill ended with {asked}");
        Some(self.child.wait().unwrap())
    }

    /// Reads what the program still writes and waits for its end. Returns its exit code.
    #[track_caller]
    pub(crate) fn exit_code(mut self) -> i32 {
        self.by_ref().for_each(drop);
        self.child.wait().unwrap().code().expect("the program was ended by a signal")
    }
}

impl Iterator for RunningProgram {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let line = self.lines.next()?.unwrap();
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}")))
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}
