//! `backspace demo`: a whole session on a bundled sample project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use domain::UncheckedRequest;
use include_dir::{Dir, include_dir};
use stand_ins::claude::Script;

use super::code::start_and_drive;
use super::doctor;
use super::exit::ExitCode;
use super::model_source::ModelSource;
use super::output::Output;
use crate::forge::git::REPOSITORY_VARIABLES;
use crate::settings::{Containment, Settings};
use crate::world::{KeepTree, World};

static PROJECT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo/project");
const PROMPT: &str = include_str!("../../demo/prompt.txt");
const SCRIPT: &str = include_str!("../../demo/script.json");

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Print the session's trace as a tree at the end
    #[arg(long)]
    trace: bool,
}

impl Demo {
    pub(super) async fn run(self, mut settings: Settings, output: &Output) -> anyhow::Result<ExitCode> {
        output.progress(
            "This is a demonstration: the model's replies are scripted. Everything else is real: clone, sandbox,",
        );
        output.progress("tools, checkpoints, commit and pull request.\n");
        if settings.containment == Containment::Isolated
            && let Some(lacking) = doctor::lacking_for_isolation()?
        {
            output.progress(&format!("This machine cannot isolate commands fully: {lacking}"));
            output.progress("The demonstration uses REDUCED containment (Landlock and seccomp, no namespaces).\n");
            settings.containment = Containment::Reduced;
        }
        let project = settings.home.join("demo").join("stockroom");
        let keep_tree = if self.trace { KeepTree::Yes } else { KeepTree::No };
        let world = World::new(settings, keep_tree)?;
        create_project(&project)?;
        let model = ModelSource::scripted(Script::parse(SCRIPT)?).await?;
        let request = UncheckedRequest {
            repo_url: project.display().to_string(),
            prompt: PROMPT.trim().to_owned(),
            ..UncheckedRequest::default()
        };
        let code = start_and_drive(&world, &model, request, output).await?;
        output.progress("\nTo let a real model work on a repository of yours:");
        output.progress("  export ANTHROPIC_API_KEY=...   # create a key at https://platform.claude.com");
        output.progress("  backspace code PATH_OR_URL \"what it should do\"   # in a checkout: cargo run -- code …");
        Ok(code)
    }
}

/// Creates the sample project as a repository with one commit. An unchanged project is left in place, since another
/// demonstration may be using it.
fn create_project(project: &Path) -> anyhow::Result<()> {
    if project.join(".git").is_dir() && is_untouched(project) {
        return Ok(());
    }
    let new = project.with_extension(format!("new-{}", std::process::id()));
    remove(&new)?;
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
            // Another demonstration has created it meanwhile.
            return remove(&new);
        }
        // Renamed before it is deleted, so that nobody sees it half deleted. The rename fails when another process was first.
        let _ = fs::rename(project, &old);
        remove(&old)?;
    }
    remove(&new)?;
    anyhow::bail!("the sample project {} cannot be created: other processes keep replacing it", project.display())
}

/// Maximum attempts to move the sample project into place while other processes do the same.
const MAX_RETRIES: u32 = 20;

const SUBJECT: &str = "Track stock in a small warehouse";

fn is_untouched(project: &Path) -> bool {
    git(project, &["status", "--porcelain"]).is_ok_and(|status| status.is_empty())
        && git(project, &["log", "--max-count=1", "--format=%s", "main"]).is_ok_and(|subject| subject == SUBJECT)
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
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
    let output = command.stdin(Stdio::null()).output().context("cannot run git; install it or add it to PATH")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments[0], error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
