//! The supervisor as a program of its own, for images of sandboxes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use sandbox::{Mode, Specification};
use supervisor::{Order, relay, serve};

const USAGE: &str = "usage: supervisor serve DIRECTORY [--reduced] [--lifetime SECONDS] [--idle SECONDS]
       supervisor relay DIRECTORY

serve  opens the sandbox in DIRECTORY, which is made when it is absent, and serves it until its time is over
relay  copies standard input to the supervisor of DIRECTORY and its answers to standard output
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next()) {
        (Some("serve"), Some(directory)) => match order(directory.into(), arguments) {
            Some(order) => serve(order),
            None => return usage(),
        },
        (Some("relay"), Some(directory)) if arguments.next().is_none() => relay(&PathBuf::from(directory)),
        (Some(_) | None, _) => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "supervisor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn order(directory: PathBuf, mut arguments: impl Iterator<Item = String>) -> Option<Order> {
    let mut order = Order { keep: true, ..Order::new(Specification::new(directory)) };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--reduced" => order.specification.mode = Mode::Reduced,
            "--lifetime" => order.lifetime = Some(seconds(arguments.next())?),
            "--idle" => order.idle = Some(seconds(arguments.next())?),
            _ => return None,
        }
    }
    Some(order)
}

fn seconds(argument: Option<String>) -> Option<Duration> {
    argument?.parse().ok().map(Duration::from_secs)
}

fn usage() -> ExitCode {
    let _ = io::stderr().write_all(USAGE.as_bytes());
    ExitCode::from(2)
}
