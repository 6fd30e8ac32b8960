//! `GET /sessions/{id}/diff`: the changes of a session so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::ports::ForgeError;
use domain::state::SessionState;
use domain::{
    Checkpoint, CommitId, ErrorCode, FileChange, FileMode, LineDiff, SessionId, StepError, Terminal, WorkspacePath,
};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::ownership::owned_log;
use crate::Api;
use crate::access::Caller;
use crate::body::Id;
use crate::error::{ApiError, Code};
use crate::negotiation::prefers_text;

/// Time limit for comparing all files. The remaining files are listed without a patch.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Size of all patches, in bytes, after which the remaining files are listed without a patch.
const MAX_DIFF_BYTES: usize = 8 * 1024 * 1024;

/// The changes of a session so far, against the commit it started from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiffView {
    /// The commit that the session started from; null for an empty repository.
    pub base_commit: Option<String>,
    /// The changed files, ordered by path.
    pub files: Vec<FileDiff>,
}

/// A changed file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileDiff {
    pub path: String,
    pub status: FileStatus,
    /// The current mode in git's notation; null for a deleted file.
    #[schema(example = "100644")]
    pub mode: Option<String>,
    /// Lines added.
    pub additions: u64,
    /// Lines deleted.
    pub deletions: u64,
    /// Why the patch does not show the change: the file is binary or too large. Null otherwise.
    pub left_out: Option<String>,
    /// The change in git's patch format.
    pub patch: String,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileStatus {
    Added,
    Modified,
    Deleted,
}

/// Shows the changes of a session so far, as JSON, or for `Accept: text/x-diff` as one patch that `git apply` accepts.
#[utoipa::path(
    get, path = "/sessions/{id}/diff", tag = "sessions",
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 200, content((DiffView = "application/json"), (String = "text/x-diff"))),
        crate::routes::documents::Errors,
    ),
)]
pub(super) async fn diff(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Id(session): Id<SessionId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let log = owned_log(&api, &caller, &session).await?;
    let view = view(&api, &session, log.state()).await?;
    if !prefers_text(&headers, "text/x-diff") {
        return Ok(Json(view).into_response());
    }
    // Omitted files are listed at the top, which git ignores.
    let left_out =
        view.files.iter().filter_map(|file| Some(format!("# left out: {} ({})\n", file.path, file.left_out.as_ref()?)));
    let mut patch: String = left_out.collect();
    patch.extend(view.files.iter().filter(|file| file.left_out.is_none()).map(|file| file.patch.as_str()));
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/x-diff; charset=utf-8"));
    Ok(([content_type], patch).into_response())
}

async fn view(api: &Api, session: &SessionId, state: &SessionState) -> Result<DiffView, ApiError> {
    let (Some(latest), Some(base)) = (state.latest_change(), &state.base) else {
        return Ok(DiffView { base_commit: None, files: Vec::new() });
    };
    let checkpoint = Checkpoint::fetch(api.blobs.as_ref(), session, &latest.sha256).await.map_err(step_error)?;
    let changes = checkpoint.changeset(api.blobs.as_ref(), session).await.map_err(step_error)?;
    let last_base = checkpoint.content.base.clone();
    // A follow-up run starts from what the earlier runs published. The diff is against the commit that the first run started from.
    let first_base = state.published_from.clone().unwrap_or_else(|| last_base.clone());
    let repository = base.repository.as_str();
    // Acquiring fails only if the semaphore is closed, which never happens. The permit moves into the comparison, which goes on
    // when its client disconnects.
    let permit = Arc::clone(&api.diff_permits).acquire_owned().await;
    let mut paths: BTreeSet<WorkspacePath> = changes.iter().map(|(path, _)| path.clone()).collect();
    if let (Some(first), Some(last)) = (&first_base, &last_base)
        && first != last
    {
        paths.extend(api.forge.changed_paths(repository, first, last).await.map_err(forge_error)?);
    }
    let paths: Vec<WorkspacePath> = paths.into_iter().collect();
    let before = contents(api, repository, first_base.as_ref(), &paths).await?;
    let mut after = match first_base == last_base {
        true => before.clone(),
        false => contents(api, repository, last_base.as_ref(), &paths).await?,
    };
    for (path, change) in changes.iter() {
        match change {
            FileChange::Write { mode, content } => after.insert(path.clone(), (*mode, content.clone())),
            FileChange::Delete => after.remove(path),
        };
    }
    // Comparing large files takes long, so it must not block the async runtime.
    let redactor = api.services.redactor.clone();
    let compare = move || {
        let _permit = permit;
        files(&paths, &before, &after, &redactor)
    };
    let files = tokio::task::spawn_blocking(compare).await;
    let files = files.map_err(|_| ApiError::new(Code::Internal, "the diff could not be computed"))?;
    Ok(DiffView { base_commit: first_base.map(|commit| commit.to_string()), files })
}

async fn contents(
    api: &Api,
    repository: &str,
    commit: Option<&CommitId>,
    paths: &[WorkspacePath],
) -> Result<BTreeMap<WorkspacePath, (FileMode, Vec<u8>)>, ApiError> {
    let Some(commit) = commit else { return Ok(BTreeMap::new()) };
    let found = api.forge.contents(repository, commit, paths).await.map_err(forge_error)?;
    Ok(found.into_iter().map(|(path, content)| (path, (FileMode::Regular, content))).collect())
}

fn step_error(error: StepError) -> ApiError {
    match error {
        StepError::Retryable(unavailable) => unavailable.into(),
        StepError::Terminal(Terminal { code: ErrorCode::ContentLost, message }) => {
            ApiError::new(Code::NotFound, message)
        }
        StepError::Terminal(terminal) => ApiError::new(Code::Internal, terminal.message),
    }
}

fn forge_error(error: ForgeError) -> ApiError {
    match error {
        ForgeError::Unavailable(unavailable) => unavailable.into(),
        ForgeError::Wait { seconds } => {
            ApiError::new(Code::Unavailable, "the forge limits the rate of requests; retry later")
                .retry_after(Duration::from_secs(seconds))
        }
        ForgeError::Terminal(terminal) => ApiError::new(Code::Internal, terminal.message),
        ForgeError::BranchMoved { .. } => ApiError::new(Code::Conflict, "the branch has moved meanwhile; retry"),
    }
}

fn files(
    paths: &[WorkspacePath],
    before: &BTreeMap<WorkspacePath, (FileMode, Vec<u8>)>,
    after: &BTreeMap<WorkspacePath, (FileMode, Vec<u8>)>,
    redactor: &domain::Redactor,
) -> Vec<FileDiff> {
    let mut shown = 0;
    let mut files = Vec::new();
    let end = Instant::now() + TOTAL_TIMEOUT;
    for path in paths {
        let full = shown >= MAX_DIFF_BYTES || Instant::now() >= end;
        let Some(mut file) = file(path, before.get(path), after.get(path), full) else { continue };
        if let std::borrow::Cow::Owned(redacted) = redactor.redact(&file.patch) {
            file.patch = redacted;
        }
        shown += file.patch.len();
        files.push(file);
    }
    files
}

/// The diff of a file, or none when a later run has reverted it.
fn file(
    path: &WorkspacePath,
    before: Option<&(FileMode, Vec<u8>)>,
    after: Option<&(FileMode, Vec<u8>)>,
    full: bool,
) -> Option<FileDiff> {
    let status = match (before, after) {
        (None, None) => return None,
        // Unchanged in content and mode: a later run has reverted the file.
        (Some((was, old)), Some((is, new))) if old == new && was == is => return None,
        (None, Some(_)) => FileStatus::Added,
        (Some(_), Some(_)) => FileStatus::Modified,
        (Some(_), None) => FileStatus::Deleted,
    };
    let mode = after.map(|(mode, _)| *mode);
    let mut file = FileDiff {
        path: path.to_string(),
        status,
        mode: mode.map(|mode| mode.as_str().to_owned()),
        additions: 0,
        deletions: 0,
        left_out: None,
        patch: String::new(),
    };
    let content = |side: Option<&'_ (FileMode, Vec<u8>)>| side.map(|(_, content)| content.clone()).unwrap_or_default();
    let (old, new) = (content(before), content(after));
    let heading = heading(path.as_str(), status, mode, old == new);
    let compared = (!full).then(|| LineDiff::compare(&old, &new, Instant::now() + LineDiff::TIMEOUT));
    match compared {
        None => file.left_out = Some("the diff of this session is too long to be shown completely".to_owned()),
        Some(Err(incomparable)) => file.left_out = Some(incomparable.to_string()),
        Some(Ok(difference)) => {
            let counts = difference.counts();
            (file.additions, file.deletions) = (counts.additions, counts.deletions);
            let (from, to) = names(path.as_str(), status);
            file.patch = format!("{heading}{}", difference.patch(&from, &to));
        }
    }
    if file.left_out.is_some() {
        let (from, to) = names(path.as_str(), status);
        file.patch = format!("{heading}Binary files {from} and {to} differ\n");
    }
    Some(file)
}

fn heading(path: &str, status: FileStatus, mode: Option<FileMode>, same: bool) -> String {
    let (from, to) = (quoted("a/", path), quoted("b/", path));
    let mode = mode.map_or("100644", FileMode::as_str);
    let kind = match status {
        FileStatus::Added => format!("new file mode {mode}\n"),
        FileStatus::Deleted => "deleted file mode 100644\n".to_owned(),
        FileStatus::Modified if same => format!("old mode 100644\nnew mode {mode}\n"),
        FileStatus::Modified => String::new(),
    };
    format!("diff --git {from} {to}\n{kind}")
}

fn names(path: &str, status: FileStatus) -> (String, String) {
    let from = if status == FileStatus::Added { "/dev/null".to_owned() } else { quoted("a/", path) };
    let to = if status == FileStatus::Deleted { "/dev/null".to_owned() } else { quoted("b/", path) };
    (from, to)
}

/// A path as git writes it: quoted when it contains control characters, quotes or backslashes.
fn quoted(side: &str, path: &str) -> String {
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    if path.chars().all(plain) {
        return format!("{side}{path}");
    }
    let mut text = format!("\"{side}");
    for c in path.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|byte| text.push_str(&format!("\\{byte:03o}")));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
