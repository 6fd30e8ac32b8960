//! The program's commands.

mod attach;
mod client;
mod code;
mod demo;
mod doctor;
mod exit;
mod follow;
mod output;
mod parts;
mod serve;
mod sessions;
mod stand_in;
mod tokens;

use clap::{Parser, Subcommand};

pub use exit::ExitCode;
use output::Output;

use crate::settings::Settings;

/// Tiny Backspace: a repository and a prompt go in, a pull request comes out.
///
/// Exit codes: 0 the run ended well; 1 the run failed; 2 the command line is wrong; 3 the session waits for you; 4 the run
/// was cancelled, rejected or expired; 5 it could not begin (something is missing, or the request is refused); 6 it stopped because of
/// this machine and can be resumed; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "backspace", version, about, long_about)]
struct Arguments {
    /// Machine-readable answers on stdout: one JSON value per line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Carries out a prompt on a repository.
    Code(code::Code),
    /// Shows a whole session on a sample project. The model's replies are scripted; everything else is real.
    Demo(demo::Demo),
    /// Looks at sessions and steers them.
    Sessions {
        #[command(subcommand)]
        command: sessions::Sessions,
    },
    /// Serves the API on this machine, with live streams, and drives its sessions.
    Serve(serve::Serve),
    /// Says who may use a server, and how much.
    Tokens {
        #[command(subcommand)]
        command: tokens::Tokens,
    },
    /// Says what of this machine works for sandboxes, and what to do where something does not.
    Doctor,
    /// Runs a stand-in of an outside system on this machine.
    StandIn {
        #[command(subcommand)]
        command: stand_in::StandIn,
    },
}

/// Runs the program.
pub async fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refused) => {
            // Help and version are answers, not errors; clap prints each where it belongs.
            let code = if refused.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
            return match refused.print() {
                Ok(()) => code,
                Err(_) => ExitCode::Usage,
            };
        }
    };
    let output = Output::new(arguments.json);
    match command(arguments.command, &output).await {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::NotBegun
        }
    }
}

async fn command(command: Command, output: &Output) -> anyhow::Result<ExitCode> {
    let settings = Settings::read()?;
    telemetry::logs(telemetry::Format::Human, &settings.log_level)?;
    match command {
        Command::Code(code) => code.run(settings, output).await,
        Command::Demo(demo) => demo.run(settings, output).await,
        Command::Sessions { command } => command.run(settings, output).await,
        Command::Serve(serve) => serve.run(settings, output).await,
        Command::Tokens { command } => command.run(settings, output).await,
        Command::Doctor => doctor::run(&settings, output),
        Command::StandIn { command } => command.run(output).await,
    }
}
