//! A command that shows whether commands can be run.

use std::io;
use std::time::Duration;

use nix::poll::{PollFd, PollTimeout, poll};
use sandbox::{Ended, Ending, Exec, ExecId, Found, Sandbox, Source, Status};

use crate::order::Refusal;

const MAX_TIME: Duration = Duration::from_secs(10);

pub(crate) fn run(sandbox: &mut Sandbox) -> Result<(), Refusal> {
    let exec = Exec::new(ExecId::new("trial")?, ["/usr/bin/env", "true"]);
    match sandbox.start_or_attach(Exec { timeout: MAX_TIME, ..exec })? {
        Found::Started => {}
        Found::Running | Found::Finished(_) | Found::CutOff => return Ok(()),
    }
    loop {
        for source in ready(sandbox)? {
            match sandbox.hear(&source)? {
                Some(Ended::Exec(_, ending)) => return judge(ending),
                Some(Ended::Worker(_)) | None => {}
            }
        }
        sandbox.tick(std::time::Instant::now());
    }
}

fn ready(sandbox: &Sandbox) -> io::Result<Vec<Source>> {
    let (sources, mut watched): (Vec<Source>, Vec<PollFd<'_>>) =
        sandbox.sources().map(|(source, descriptor, flags)| (source, PollFd::new(descriptor, flags))).unzip();
    poll(&mut watched, PollTimeout::from(100_u8))?;
    Ok(sources
        .into_iter()
        .zip(watched)
        .filter(|(_, entry)| entry.any() == Some(true))
        .map(|(source, _)| source)
        .collect())
}

fn judge(ending: Ending) -> Result<(), Refusal> {
    match ending {
        Ending::Exit(exit) if exit.status == Status::Exited(0) => Ok(()),
        Ending::Exit(exit) => {
            Err(Refusal::Other(format!("a command that should succeed ended with {:?}", exit.status)))
        }
        Ending::NotStarted { lacking: Some(part), reason } => Err(Refusal::Lacking { part, detail: reason }),
        Ending::NotStarted { lacking: None, reason } => Err(Refusal::Other(reason)),
        Ending::CutOff => Err(Refusal::Other("a command that should succeed was cut off".to_owned())),
    }
}
