//! `backspace demo`: a whole session on a bundled sample project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use domain::Draft;
use include_dir::{Dir, include_dir};
use stand_ins::claude::Script;

use super::code::carry_out;
use super::doctor;
use super::exit::ExitCode;
use super::output::Output;
use super::parts::Model;
use crate::settings::{Containment, Settings};
use crate::world::{KeepTree, World};

static PROJECT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo/project");
const PROMPT: &str = include_str!("../../demo/prompt.txt");
const SCRIPT: &str = include_str!("../../demo/script.json");

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Shows the session's trace at the end.
    #[arg(long)]
    trace: bool,
}

impl Demo {
    pub(super) async fn run(self, mut settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        output.tell("This is a demonstration: the model's replies are scripted. Clone, sandbox, tools, checkpoints,");
        output.tell("commit and pull request are real.\n");
        if settings.containment == Containment::Isolated
            && let Some(lacking) = doctor::lacking_for_isolation()?
        {
            output.tell(&format!("This machine cannot isolate fully: {lacking}"));
            output.tell("The demonstration goes on with REDUCED containment (Landlock and seccomp, no namespaces).\n");
            settings.containment = Containment::Reduced;
        }
        let project = settings.home.join("demo").join("stockroom");
        let keep = if self.trace { KeepTree::Yes } else { KeepTree::No };
        let world = World::new(settings, keep)?;
        lay_out(&project)?;
        let model = Model::scripted(Script::parse(SCRIPT)?).await?;
        let draft =
            Draft { repo_url: project.display().to_string(), prompt: PROMPT.trim().to_owned(), ..Draft::default() };
        let code = carry_out(&world, &model, draft, output).await?;
        output.tell("\nTo have a real model work on a repository of yours:");
        output.tell("  export ANTHROPIC_API_KEY=...   # https://platform.claude.com");
        output.tell("  cargo run -- code PATH_OR_URL \"what is to be done\"");
        Ok(code)
    }
}

/// Writes the sample project as a repository with one commit, anew each time.
fn lay_out(project: &Path) -> anyhow::Result<()> {
    if project.exists() {
        fs::remove_dir_all(project).with_context(|| format!("cannot clear {}", project.display()))?;
    }
    fs::create_dir_all(project)?;
    write(&PROJECT, project)?;
    git(project, &["init", "--quiet", "--initial-branch=main", "--template="])?;
    git(project, &["add", "--all"])?;
    git(project, &["commit", "--quiet", "--message=Track stock in a small warehouse"])
}

fn write(directory: &Dir<'_>, into: &Path) -> anyhow::Result<()> {
    for file in directory.files() {
        let path: PathBuf = into.join(file.path());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, file.contents()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    directory.dirs().try_for_each(|inner| write(inner, into))
}

fn git(project: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let identity =
        ["-c", "user.name=Sample", "-c", "user.email=sample@tiny-backspace.invalid", "-c", "commit.gpgSign=false"];
    let output = Command::new("git")
        .arg("-C")
        .arg(project)
        .args(identity)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .context("git is needed and cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments[0], said.trim());
    Ok(())
}
