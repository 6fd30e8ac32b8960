//! The command line.

mod attach;
mod client;
mod code;
mod demo;
mod doctor;
mod drive;
mod exit;
mod model_source;
mod output;
mod progress;
mod report;
mod serve;
mod sessions;
mod stand_in;
mod tokens;

use clap::{Parser, Subcommand};

pub use exit::ExitCode;
use output::Output;

use crate::settings::Settings;

const AFTER_HELP: &str = "\
Get started:
  backspace demo                      a whole session on a sample project, without a key
  backspace code PATH_OR_URL PROMPT   work on a repository of yours (needs ANTHROPIC_API_KEY)";

const EXIT_CODES: &str = "\
Exit codes:
  0    the command succeeded, or the run ended well
  1    the run failed
  2    the command line is wrong
  3    the session waits for your answer
  4    the run was cancelled, rejected or expired
  5    the command was not started: something is missing, or the request was refused
  6    a fault of this machine stopped the session; it can be resumed
  7    the run ended well, but not everything that was written is published
  130  interrupted; the session can be resumed

Environment:
  ANTHROPIC_API_KEY  key of the Claude API
  BACKSPACE_HOME     directory for sessions, repositories and sandboxes [default: ~/.local/share/tiny-backspace]
  .env.example in the source lists all variables. They can also be set in a file .env in that directory.";

/// Tiny Backspace, an autonomous coding agent: a repository and a prompt go in, a pull request comes out
#[derive(Debug, Parser)]
#[command(name = "backspace", version, after_help = AFTER_HELP, after_long_help = format!("{AFTER_HELP}\n\n{EXIT_CODES}"))]
struct Arguments {
    /// Print results as JSON on stdout, one value per line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work on a repository and open a pull request
    Code(code::Code),
    /// Run a whole session on a sample project, with scripted replies of the model
    Demo(demo::Demo),
    /// List, show and steer sessions
    Sessions {
        #[command(subcommand)]
        command: sessions::Sessions,
    },
    /// Serve the HTTP API and drive its sessions
    Serve(serve::Serve),
    /// Manage access tokens and quotas of a server
    Tokens {
        #[command(subcommand)]
        command: tokens::Tokens,
    },
    /// Check what this machine offers for sandboxes, what commands in them find, and how to fix what is missing
    Doctor(doctor::Doctor),
    /// Run a server that imitates an outside system, for tests
    StandIn {
        #[command(subcommand)]
        command: stand_in::StandIn,
    },
}

/// Runs the command that the program's arguments name.
pub async fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap reports --help and --version as errors, too, and prints those on stdout.
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Success };
            return match error.print() {
                Ok(()) => code,
                Err(_) => ExitCode::Usage,
            };
        }
    };
    let output = Output::new(arguments.json);
    match run_command(arguments.command, &output).await {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::NotStarted
        }
    }
}

async fn run_command(command: Command, output: &Output) -> anyhow::Result<ExitCode> {
    let settings = Settings::read()?;
    telemetry::logs(telemetry::Format::Human, &settings.log_level)?;
    match command {
        Command::Code(code) => code.run(settings, output).await,
        Command::Demo(demo) => demo.run(settings, output).await,
        Command::Sessions { command } => command.run(settings, output).await,
        Command::Serve(serve) => serve.run(settings, output).await,
        Command::Tokens { command } => command.run(settings, output).await,
        Command::Doctor(doctor) => doctor.run(&settings, output).await,
        Command::StandIn { command } => command.run(output).await,
    }
}
