//! What commands in a sandbox find on their `PATH`.

use std::time::Duration;

use anyhow::Context as _;
use domain::text::{one_line, shorten};
use sandbox::{Mode, Specification, Survives};
use sandbox_protocol::{Client, Exec, Program, Progress};
use serde_json::json;
use supervisor::Order;
use tokio::net::UnixStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::{Mark, line};
use crate::cli::output::Output;
use crate::owner::owner;
use crate::sandboxes::LocalSandboxes;
use crate::settings::{Containment, Settings};
use crate::toolchains::Toolchains;

/// What projects commonly need, and how each is asked for its version.
const PROGRAMS: [(&str, &str); 18] = [
    ("git", "--version"),
    ("cargo", "--version"),
    ("rustc", "--version"),
    ("node", "--version"),
    ("npm", "--version"),
    ("pnpm", "--version"),
    ("yarn", "--version"),
    ("python3", "--version"),
    ("pip", "--version"),
    ("uv", "--version"),
    ("go", "version"),
    ("java", "-version"),
    ("mvn", "--version"),
    ("gradle", "--version"),
    ("ruby", "--version"),
    ("php", "--version"),
    ("gcc", "--version"),
    ("make", "--version"),
];

const SCRIPT: &str = include_str!("programs.sh");
const MAX_TIME: Duration = Duration::from_secs(60);
const MAX_VERSION_CHARACTERS: usize = 80;

/// Says what a sandbox of the machine's user shows, as commands in one see it. Says so when there can be no sandbox.
pub(super) async fn report(settings: &Settings, output: &Output) -> anyhow::Result<()> {
    let toolchains = Toolchains::new(settings, owner()?);
    let are_shown = toolchains.are_shown_to(&owner()?);
    for toolchain in toolchains.find(are_shown) {
        let path = toolchain.path.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        line(output, &Mark::Note, "toolchain shown", &format!("{} ({path})", toolchain.name));
        output
            .json(&json!({ "name": "toolchain", "toolchain": toolchain.name, "path": path, "shown": toolchain.shown }));
    }
    let seen = match see(settings, &toolchains, are_shown).await {
        Ok(seen) => seen,
        Err(error) => {
            line(output, &Mark::Unknown, "programs in a sandbox", &format!("not looked for: {error:#}"));
            output.json(&json!({ "name": "programs in a sandbox", "works": null, "detail": format!("{error:#}") }));
            return Ok(());
        }
    };
    for found in seen.lines() {
        let mut fields = found.splitn(4, '\t');
        let mut field = || fields.next().unwrap_or_default();
        let (name, path, code, version) = (field(), field(), field(), field());
        let version = shorten(&one_line(version), MAX_VERSION_CHARACTERS).into_owned();
        match (path, code) {
            ("", _) => line(output, &Mark::Note, name, "not in the sandbox"),
            (path, "0") => line(output, &Mark::Works, name, &format!("{version} ({path})")),
            (path, _) => {
                line(output, &Mark::Lacking, name, &format!("does not work in the sandbox: {version} ({path})"))
            }
        }
        output.json(&json!({ "name": name, "works": code == "0", "path": path, "detail": version }));
    }
    Ok(())
}

/// Runs the script in a sandbox like those of sessions.
async fn see(settings: &Settings, toolchains: &Toolchains, are_shown: bool) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("cannot find the program's own file")?;
    let launcher = LocalSandboxes::launcher(&program);
    let directory = std::env::temp_dir().join(format!("sandbox-programs-{}", std::process::id()));
    let mut specification = Specification::new(&directory);
    specification.record = Survives::Crash;
    specification.mode = match settings.containment {
        Containment::Isolated => Mode::Isolated,
        Containment::Reduced => Mode::Reduced,
    };
    toolchains.show(&mut specification, are_shown);
    let order = Order::new(specification);
    let tether = tokio::task::spawn_blocking(move || supervisor::start(&launcher, &order)).await??;
    let seen = ask(&directory).await;
    tokio::task::spawn_blocking(move || {
        drop(tether);
        sandbox::remove_directory(&directory)
    })
    .await??;
    seen
}

async fn ask(directory: &std::path::Path) -> anyhow::Result<String> {
    let connection = supervisor::connect(directory)?;
    connection.set_nonblocking(true)?;
    let client = Client::connect(UnixStream::from_std(connection)?.compat()).await?;
    let argv =
        ["sh", "-c", SCRIPT, "programs"].into_iter().chain(PROGRAMS.iter().flat_map(|(name, flag)| [*name, *flag]));
    let exec = Exec { timeout: MAX_TIME, ..Exec::new("programs", Program::Command(argv.map(str::to_owned).collect())) };
    let (progress, output) = client.run(exec, b"", MAX_TIME * 2, 100_000).await?;
    anyhow::ensure!(matches!(progress, Progress::Finished(_)), "the look for programs did not end");
    Ok(String::from_utf8_lossy(&output).into_owned())
}
