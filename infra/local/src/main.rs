//! The program `backspace`.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Chosen before a runtime is set up: the supervisor has to be single-threaded.
    if std::env::args().nth(1).as_deref() == Some(local::reexec::SUPERVISOR) {
        return supervisor::supervise();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(local::cli::run()).into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "backspace: cannot start its threads: {error}");
            ExitCode::FAILURE
        }
    }
}
