//! The operations of the toolbox and of git that the steps use.

use std::collections::{BTreeMap, BTreeSet};

use domain::text::shorten;
use domain::{Changeset, ChangesetLimits, CommitId, Digest256, FileChange, FileMode, InstructionsRead, WorkspacePath};
use sandbox_protocol::{Exec, Program};
use toolbox::{Answer, Call, Change, Mode};

use super::{Workspace, WorkspaceError};
use crate::context::{Context, internal};

/// Maximum entries of the file list that the plan's conversation is shown.
const MAX_TREE_ENTRIES: usize = 200;

/// Maximum directories whose instruction files are used.
const MAX_INSTRUCTION_DIRECTORIES: usize = 200;

/// Facts about a fresh checkout that only git knows.
pub(crate) struct CheckoutFacts {
    pub instruction_directories: Vec<String>,
    pub commit_subjects: Vec<String>,
    /// Those of the programs asked for that are not on `PATH`.
    pub missing_programs: Vec<String>,
}

/// Prints the instruction files, the programs among its arguments that are missing, and the latest commit subjects, with a
/// separator line before each but the first. The script is constant, so no input can change it.
const INSPECT_SCRIPT: &str = "git ls-files -- '*AGENTS.md' '*CLAUDE.md'; echo ---; \
     for program; do command -v \"$program\" >/dev/null || echo \"$program\"; done; echo ---; \
     git log --format=%s -n 15 2>/dev/null || true";

fn unexpected(name: &str) -> WorkspaceError {
    WorkspaceError::Toolbox(format!("it answered {name} with the answer of another operation"))
}

impl Workspace {
    /// Records the fresh checkout in the sandbox, so that later changes can be measured against it. Returns the commit, or
    /// none when the repository is empty.
    pub(crate) async fn baseline(&self, context: &Context) -> Result<Option<CommitId>, WorkspaceError> {
        let Answer::Baseline(baseline) =
            self.toolbox(context, "baseline", &Call::Baseline(toolbox::Baseline {})).await?
        else {
            return Err(unexpected("baseline"));
        };
        Ok(baseline.commit.map(|commit| commit.parse()).transpose().map_err(internal)?)
    }

    /// Takes what the set-up left in the workspace for a part of the environment. Nothing else has run there yet.
    pub(crate) async fn settle(&self, context: &Context) -> Result<(), WorkspaceError> {
        let Answer::Settle(_) = self.toolbox(context, "settle", &Call::Settle(toolbox::Settle {})).await? else {
            return Err(unexpected("settle"));
        };
        Ok(())
    }

    pub(crate) async fn survey(&self, context: &Context) -> Result<toolbox::Surveyed, WorkspaceError> {
        let Answer::Survey(facts) = self.toolbox(context, "survey", &Call::Survey(toolbox::Survey {})).await? else {
            return Err(unexpected("survey"));
        };
        Ok(facts)
    }

    /// The list of files for the plan's conversation. An ellipsis marks that it is cut.
    pub(crate) fn tree(facts: &toolbox::Surveyed) -> String {
        let mut lines: Vec<&str> = facts.tree.iter().take(MAX_TREE_ENTRIES).map(String::as_str).collect();
        if facts.tree_cut || facts.tree.len() > MAX_TREE_ENTRIES {
            lines.push("…");
        }
        lines.join("\n")
    }

    /// Reads the instruction files of directories from the base commit, where the model's own edits do not reach.
    pub(crate) async fn instructions(
        &self,
        context: &Context,
        directories: Vec<String>,
    ) -> Result<Vec<InstructionsRead>, WorkspaceError> {
        let call = Call::Instructions(toolbox::Instructions { directories });
        let Answer::Instructions(read) = self.toolbox(context, "instructions", &call).await? else {
            return Err(unexpected("instructions"));
        };
        let redactor = &context.common.redactor;
        let files = read.files.into_iter().map(|file| {
            let mut text = redactor.redact(&file.text).into_owned();
            if file.cut {
                text.push_str("\n[The file continues. View it for the rest.]");
            }
            InstructionsRead { path: file.path, directory: file.directory, text }
        });
        Ok(files.collect())
    }

    /// The difference between workspace and base commit, as the toolbox reports it: nothing of it is checked. `known` are the
    /// contents that need not be sent, `unless` the mark of a report that need not be repeated.
    pub(crate) async fn collect(
        &self,
        context: &Context,
        known: impl Iterator<Item = &Digest256>,
        unless: Option<String>,
    ) -> Result<toolbox::Collected, WorkspaceError> {
        let call = Call::Collect(toolbox::Collect {
            limits: limits(),
            unless,
            known: known.map(|digest| digest.as_str().to_owned()).collect(),
            written: written(context),
        });
        let Answer::Collect(collected) = self.toolbox(context, "collect", &call).await? else {
            return Err(unexpected("collect"));
        };
        Ok(collected)
    }

    /// Makes the workspace differ from the base commit by exactly this change, as far as `collect` looks at it: in a fresh checkout, and
    /// after checks have run.
    pub(crate) async fn put_back(&self, context: &Context, changeset: &Changeset) -> Result<(), WorkspaceError> {
        let changes = changeset.iter().map(|(path, change)| toolbox_change(path, change)).collect();
        let call = Call::PutBack(toolbox::PutBack { changes, limits: limits(), written: written(context) });
        let Answer::PutBack(_) = self.toolbox(context, "put_back", &call).await? else {
            return Err(unexpected("put_back"));
        };
        Ok(())
    }

    /// Merges a checkpoint three-way into a checkout of another base than its own, `base`. `old_contents` are the changed files
    /// as that base has them. Returns the paths that now contain conflict markers.
    pub(crate) async fn rebase(
        &self,
        context: &Context,
        base: Option<&CommitId>,
        changeset: &Changeset,
        old_contents: &BTreeMap<WorkspacePath, Vec<u8>>,
    ) -> Result<Vec<String>, WorkspaceError> {
        let changes = changeset.iter().map(|(path, change)| {
            let base = old_contents.get(path).cloned();
            toolbox::RebaseChange { change: toolbox_change(path, change), base }
        });
        let old_base = base.map(ToString::to_string);
        let call = Call::Rebase(toolbox::Rebase { changes: changes.collect(), old_base });
        // Once per sandbox: merging into files that were merged already would put markers around markers.
        let Answer::Rebase(rebased) = self.toolbox_once(context, "rebase", &call).await? else {
            return Err(unexpected("rebase"));
        };
        Ok(rebased.conflicts.into_iter().map(|conflict| conflict.path).collect())
    }

    /// Inspects a fresh checkout with git, before the model works in it, and looks for `programs`.
    pub(crate) async fn inspect_checkout(
        &self,
        context: &Context,
        programs: BTreeSet<String>,
    ) -> Result<CheckoutFacts, WorkspaceError> {
        let argv = ["sh", "-c", INSPECT_SCRIPT, "inspect"].map(str::to_owned).into_iter().chain(programs.clone());
        let program = Program::Command(argv.collect());
        let exec = Exec {
            environment: vec![("GIT_PAGER".to_owned(), "cat".to_owned())],
            kept_bytes: 1024 * 1024,
            ..Exec::new(format!("inspect-{}", context.common.ids.span()), program)
        };
        let output = self.run_command(exec, "the inspection of the checkout").await?;
        let output = String::from_utf8_lossy(&output);
        let (files, rest) = output.split_once("---\n").unwrap_or((&output, ""));
        let (missing, subjects) = rest.split_once("---\n").unwrap_or((rest, ""));
        let mut directories: Vec<String> = files.lines().filter_map(instruction_directory).collect();
        directories.sort();
        directories.dedup();
        directories.truncate(MAX_INSTRUCTION_DIRECTORIES);
        let redactor = &context.common.redactor;
        let commit_subjects = subjects.lines().map(|line| shorten(&redactor.redact(line), 200).into_owned()).collect();
        // The set-up may have put something else in the place of git: of what is printed, only an answer to the question counts.
        let missing_programs =
            programs.into_iter().filter(|program| missing.lines().any(|line| line == program)).collect();
        Ok(CheckoutFacts { instruction_directories: directories, commit_subjects, missing_programs })
    }
}

fn limits() -> toolbox::Limits {
    let limits = ChangesetLimits::default();
    toolbox::Limits {
        files: limits.files,
        bytes_per_file: limits.bytes_per_file as u64,
        bytes_total: limits.bytes as u64,
    }
}

/// The paths that tools wrote by name.
fn written(context: &Context) -> Vec<String> {
    context.log.state().written.iter().cloned().collect()
}

/// The directory that an instruction file applies to.
fn instruction_directory(path: &str) -> Option<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
    ["AGENTS.md", "CLAUDE.md"].contains(&name).then(|| directory.to_owned())
}

fn toolbox_change(path: &WorkspacePath, change: &FileChange) -> Change {
    match change {
        FileChange::Delete => Change::Delete { path: path.as_str().to_owned() },
        FileChange::Write { mode, content } => {
            let mode = match mode {
                FileMode::Regular => Mode::Regular,
                FileMode::Executable => Mode::Executable,
                FileMode::Symlink => Mode::Symlink,
            };
            Change::write(path.as_str(), mode, content.clone())
        }
    }
}
