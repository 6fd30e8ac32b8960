//! The last steps of a command before it becomes the program asked for.

use std::ffi::{CString, c_int};
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, execve, setsid};

use crate::Limits;
use crate::part::{Failure, Part};
use crate::restrictions::{Restrictions, apply_limits};
use crate::system;
use crate::wire::Program;

/// What a shell answers for a program that is not there, and for one that does not run.
const NOT_FOUND: c_int = 127;
const NOT_RUNNABLE: c_int = 126;

/// The three standard descriptors of a command.
pub(crate) struct Standard {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
}

/// Becomes the program. Returns the exit code when there is none to become, or the preparation that failed.
pub(crate) fn become_program(
    program: &Program,
    limits: &Limits,
    standard: &Standard,
    restrictions: &Restrictions,
) -> Result<c_int, Failure> {
    let prepared = Prepared::new(program)?;
    settle(limits, standard)?;
    choose_first_when_memory_ends()?;
    system::close_all_on_exec();
    restrictions.apply()?;

    // From here on everything happens within the command's own rights.
    if let Err(error) = nix::unistd::chdir(program.working_directory.as_str()) {
        explain(&program.working_directory, error);
        return Ok(NOT_RUNNABLE);
    }
    Ok(prepared.exec(&program.argv[0]))
}

/// Becomes the worker: its code is in memory already. Returns its exit code, or the preparation that failed.
pub(crate) fn become_worker(
    worker: fn() -> c_int,
    limits: &Limits,
    standard: &Standard,
    restrictions: &Restrictions,
) -> Result<c_int, Failure> {
    settle(limits, standard)?;
    nix::unistd::chdir("/").map_err(Failure::other("leaving the working directory"))?;
    system::clear_environment();
    restrictions.apply()?;
    // Also the pipe for failures, by whose closing the first process knows that the worker works.
    system::close_all_except(&[]);
    Ok(worker())
}

fn settle(limits: &Limits, standard: &Standard) -> Result<(), Failure> {
    setsid().map_err(Failure::of(Part::Privileges, "starting a session"))?;
    let failed = || Failure::other("passing on the standard streams");
    dup2_stdin(&standard.input).map_err(failed())?;
    dup2_stdout(&standard.output).map_err(failed())?;
    dup2_stderr(&standard.error).map_err(failed())?;
    umask(Mode::from_bits_truncate(0o022));
    SigSet::empty().thread_set_mask().map_err(Failure::of(Part::Privileges, "unblocking signals"))?;
    apply_limits(limits)
}

/// Has the kernel kill commands before anything else of the machine. A process that is not dumpable may not say so of itself;
/// nothing untrusted is in reach while it is.
fn choose_first_when_memory_ends() -> Result<(), Failure> {
    let failed = || Failure::of(Part::Privileges, "allowing to be chosen when memory ends");
    set_dumpable(true).map_err(failed())?;
    std::fs::write("/proc/self/oom_score_adj", "1000")
        .map_err(Failure::of(Part::Privileges, "writing /proc/self/oom_score_adj"))?;
    set_dumpable(false).map_err(failed())
}

/// Says on the command's standard error what a shell would have said.
fn explain(what: &str, error: Errno) {
    let _ = writeln!(std::io::stderr(), "sandbox: {what}: {}", error.desc());
}

struct Prepared {
    candidates: Vec<CString>,
    argv: Vec<CString>,
    environment: Vec<CString>,
}

impl Prepared {
    fn new(program: &Program) -> Result<Self, Failure> {
        let text = |text: String| CString::new(text).map_err(Failure::other("a NUL byte in the command"));
        let name = program.argv.first().ok_or_else(|| Failure::other("the command")("is empty"))?;
        let candidates = if name.contains('/') {
            vec![name.clone()]
        } else {
            program.search.iter().map(|directory| format!("{directory}/{name}")).collect()
        };
        let environment = program.environment.iter().map(|(name, value)| format!("{name}={value}"));
        Ok(Self {
            candidates: candidates.into_iter().map(text).collect::<Result<_, _>>()?,
            argv: program.argv.iter().cloned().map(text).collect::<Result<_, _>>()?,
            environment: environment.map(text).collect::<Result<_, _>>()?,
        })
    }

    /// Tries each place on PATH, as `execvp` does, but in this environment.
    fn exec(&self, program: &str) -> c_int {
        let mut reason = Errno::ENOENT;
        for candidate in &self.candidates {
            let Err(error) = execve(candidate, &self.argv, &self.environment);
            match error {
                Errno::ENOENT | Errno::ENOTDIR => {}
                // Perhaps the next place has one that may be run.
                Errno::EACCES => reason = error,
                _ => {
                    reason = error;
                    break;
                }
            }
        }
        explain(program, reason);
        if reason == Errno::ENOENT { NOT_FOUND } else { NOT_RUNNABLE }
    }
}
