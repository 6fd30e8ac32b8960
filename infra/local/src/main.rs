//! The program `backspace`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The program is also its own sandbox supervisor and toolbox. Both have to be chosen before anything is set up: the
    // supervisor is single-threaded, and the toolbox starts once per tool call.
    match std::env::args().nth(1).as_deref() {
        Some(local::roles::SUPERVISOR) => return sandbox::supervise(),
        Some(local::roles::TOOLBOX) => return toolbox::serve(std::io::stdin().lock(), std::io::stdout().lock()),
        Some(_) | None => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(local::cli::run()).into(),
        Err(_) => ExitCode::FAILURE,
    }
}
