//! `backspace demo`: a whole session on a bundled sample project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use domain::UncheckedRequest;
use include_dir::{Dir, include_dir};
use stand_ins::claude::Script;

use super::code::carry_out;
use super::doctor;
use super::exit::ExitCode;
use super::output::Output;
use super::parts::Model;
use crate::forge::git::REPOSITORY_VARIABLES;
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
        let draft = UncheckedRequest {
            repo_url: project.display().to_string(),
            prompt: PROMPT.trim().to_owned(),
            ..UncheckedRequest::default()
        };
        let code = carry_out(&world, &model, draft, output).await?;
        output.tell("\nTo have a real model work on a repository of yours:");
        output.tell("  export ANTHROPIC_API_KEY=...   # https://platform.claude.com");
        output.tell("  cargo run -- code PATH_OR_URL \"what is to be done\"");
        Ok(code)
    }
}

/// Writes the sample project as a repository with one commit. One that is there as it should be stays: another demonstration
/// may be at work on it.
fn lay_out(project: &Path) -> anyhow::Result<()> {
    if project.join(".git").is_dir() && is_untouched(project) {
        return Ok(());
    }
    let new = project.with_extension(format!("new-{}", std::process::id()));
    clear(&new)?;
    fs::create_dir_all(&new)?;
    write(&PROJECT, &new)?;
    git(&new, &["init", "--quiet", "--initial-branch=main", "--template="])?;
    git(&new, &["add", "--all"])?;
    git(&new, &["commit", "--quiet", "--message", SUBJECT])?;
    let old = project.with_extension(format!("old-{}", std::process::id()));
    for _ in 0..MAX_RETRIES {
        if fs::rename(&new, project).is_ok() {
            return Ok(());
        }
        if is_untouched(project) {
            // Another demonstration was faster.
            return clear(&new);
        }
        // Out of the way first, so that nothing half deleted is ever there. Somebody else may have done it.
        let _ = fs::rename(project, &old);
        clear(&old)?;
    }
    clear(&new)?;
    anyhow::bail!("{} cannot be laid out", project.display())
}

/// So often the sample project is put in its place while others do the same.
const MAX_RETRIES: u32 = 20;

const SUBJECT: &str = "Track stock in a small warehouse";

fn is_untouched(project: &Path) -> bool {
    git(project, &["status", "--porcelain"]).is_ok_and(|status| status.is_empty())
        && git(project, &["log", "--max-count=1", "--format=%s", "main"]).is_ok_and(|subject| subject == SUBJECT)
}

fn clear(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot clear {}", directory.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
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

fn git(project: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let identity = ["user.name=Sample", "user.email=sample@tiny-backspace.invalid", "commit.gpgSign=false"];
    let mut command = Command::new("git");
    command.arg("-C").arg(project);
    for setting in identity {
        command.args(["-c", setting]);
    }
    for variable in REPOSITORY_VARIABLES {
        command.env_remove(variable);
    }
    command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command.stdin(Stdio::null()).output().context("git is needed and cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments[0], said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
