//! Pull requests, as files: `N.json` for programs, `N.md` and `N.diff` for people.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use domain::Unavailable;
use domain::ports::{PullRequestText, Readiness};
use serde::{Deserialize, Serialize};

use super::git::Git;

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRecord {
    pub title: String,
    /// Markdown.
    pub body: String,
    /// The branch to merge into.
    pub base: String,
    /// The branch with the change.
    pub head: String,
    pub readiness: Readiness,
    /// `git diff --stat` of the change.
    pub stat: String,
    /// The change as a unified diff.
    pub diff: String,
}

impl PullRecord {
    pub(super) async fn of(text: &PullRequestText, git: &Git) -> Result<Self, Unavailable> {
        let head = format!("refs/heads/{}", text.head);
        let base = format!("refs/heads/{}", text.base);
        // In a repository that was empty the base is git's empty tree, whose id is the same everywhere.
        let range = match git.resolve(&base).await? {
            Some(_) => vec![format!("{base}...{head}")],
            None => vec!["4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned(), head],
        };
        let mut arguments = vec!["diff".to_owned(), "--no-ext-diff".to_owned(), "--no-textconv".to_owned()];
        arguments.push("--patch-with-stat".to_owned());
        arguments.extend(range);
        arguments.push("--".to_owned());
        let output = git.run(&arguments, b"").await?;
        let output = String::from_utf8_lossy(&output);
        let (stat, diff) = output.split_once("\n\n").unwrap_or((&output, ""));
        Ok(Self {
            title: text.title.clone(),
            body: text.body.clone(),
            base: text.base.clone(),
            head: text.head.clone(),
            readiness: text.readiness,
            stat: stat.to_owned(),
            diff: diff.to_owned(),
        })
    }

    fn page(&self, number: u64) -> String {
        let draft = match self.readiness {
            Readiness::Draft => " (draft)",
            Readiness::Ready => "",
        };
        let Self { title, body, base, head, stat, .. } = self;
        format!("# {title} #{number}{draft}\n\n`{head}` into `{base}`\n\n{body}\n\n```\n{stat}\n```\n")
    }
}

fn file(home: &Path, number: u64, ending: &str) -> PathBuf {
    home.join("pulls").join(format!("{number}.{ending}"))
}

/// The URL of a pull request's file, for when no server shows it.
pub(super) fn file_url(home: &Path, number: u64) -> String {
    format!("file://{}", file(home, number, "md").display())
}

pub(super) fn read(home: &Path, number: u64) -> io::Result<Option<PullRecord>> {
    match fs::read(file(home, number, "json")) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn find(home: &Path, branch: &str) -> io::Result<Option<u64>> {
    let mut number = 1;
    while let Some(record) = read(home, number)? {
        if record.head == branch {
            return Ok(Some(number));
        }
        number += 1;
    }
    Ok(None)
}

/// Adds a pull request under the next free number. The hard link claims the number: it fails when another process has it.
pub(super) fn add(home: &Path, record: PullRecord) -> io::Result<u64> {
    let text = serde_json::to_vec_pretty(&record)?;
    let mut number = 1;
    loop {
        let claimed = file(home, number, "json");
        let new = claimed.with_extension(format!("new-{}", std::process::id()));
        let mut temporary = File::create(&new)?;
        temporary.write_all(&text)?;
        temporary.sync_all()?;
        let linked = fs::hard_link(&new, &claimed);
        fs::remove_file(&new)?;
        match linked {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
    write(home, number, &record)?;
    Ok(number)
}

pub(super) fn write(home: &Path, number: u64, record: &PullRecord) -> io::Result<()> {
    replace(&file(home, number, "json"), &serde_json::to_vec_pretty(record)?)?;
    replace(&file(home, number, "diff"), record.diff.as_bytes())?;
    replace(&file(home, number, "md"), record.page(number).as_bytes())
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("part");
    fs::write(&new, content)?;
    fs::rename(new, path)
}
