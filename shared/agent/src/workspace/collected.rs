//! Judges what a toolbox reports of a workspace. It ran beside code of the repository, so nothing of it is believed: hashes,
//! sizes and the digest are computed again, and each file is checked as one that is to be published.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    BlobRef, Changeset, ChangesetLimits, CheckpointChange, CheckpointFile, Digest256, FileChange, FileContent, FileMode,
};
use toolbox::{Collected, Content, Difference, Mode};

/// The part of a report that is kept.
#[derive(Debug)]
pub(super) struct Judged {
    pub digest: Digest256,
    pub changes: Vec<CheckpointChange>,
    /// The contents of `changes` that are not stored yet.
    pub new_contents: BTreeMap<Digest256, Vec<u8>>,
    /// Files that were left out, each with the reason.
    pub skipped: Vec<String>,
}

/// A report that contradicts itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Contradiction {
    #[error("its digest is not that of its files")]
    Digest,
    #[error("{path:?} has no valid hash")]
    Hash { path: String },
    #[error("the content of {path:?} is not the one that it names")]
    Content { path: String },
}

/// Judges a report. `stored` are the contents that the session has stored, with their sizes, and `quota` the bytes that it may
/// still store.
pub(super) fn judge(
    collected: Collected,
    stored: &BTreeMap<Digest256, u64>,
    quota: u64,
) -> Result<Judged, Contradiction> {
    if toolbox::digest(&collected.changes) != collected.digest {
        return Err(Contradiction::Digest);
    }
    let digest = Digest256::try_from(collected.digest).map_err(|_| Contradiction::Digest)?;
    let contents: BTreeMap<Digest256, Vec<u8>> =
        collected.contents.into_iter().map(|Content(content)| (Digest256::of(&content), content)).collect();
    let skipped = collected.skipped.into_iter().map(|skipped| format!("{}: {}", skipped.path, skipped.reason));
    let mut judged = Judged { digest, changes: Vec::new(), new_contents: BTreeMap::new(), skipped: skipped.collect() };
    if collected.skipped_more > 0 {
        judged.skipped.push(format!("and {} more", collected.skipped_more));
    }
    let (mut new, mut new_bytes) = (BTreeSet::new(), 0);
    for difference in collected.changes {
        match difference {
            Difference::Delete { path } => judged.keep(path, FileChange::Delete, None),
            Difference::Write { path, mode, sha256, bytes } => {
                let Ok(sha256) = Digest256::try_from(sha256) else { return Err(Contradiction::Hash { path }) };
                let mode = file_mode(mode);
                let content = match contents.get(&sha256) {
                    Some(content) if content.len() as u64 == bytes => content.clone(),
                    // Every rule but the size, which was checked when it was stored, concerns the path and a link's target.
                    None if mode != FileMode::Symlink && stored.get(&sha256) == Some(&bytes) => Vec::new(),
                    Some(_) | None => return Err(Contradiction::Content { path }),
                };
                if !stored.contains_key(&sha256) && !new.contains(&sha256) {
                    if new_bytes + bytes > quota {
                        judged.skipped.push(format!("{path}: the session has used up its space for checkpoints"));
                        continue;
                    }
                    new_bytes += bytes;
                    new.insert(sha256.clone());
                }
                let blob = BlobRef { sha256, bytes };
                let file = CheckpointFile { mode, content: FileContent::Stored { blob } };
                judged.keep(path, FileChange::Write { mode, content }, Some(file));
            }
        }
    }
    let kept: BTreeSet<&Digest256> = judged.changes.iter().filter_map(stored_content).collect();
    judged.new_contents =
        contents.into_iter().filter(|(sha256, _)| kept.contains(sha256) && new.contains(sha256)).collect();
    Ok(judged)
}

impl Judged {
    /// Keeps a file, unless it may not be published, such as a link out of the workspace. Then it is named: it does not end
    /// the run.
    fn keep(&mut self, path: String, change: FileChange, file: Option<CheckpointFile>) {
        match Changeset::objection(&path, &change, ChangesetLimits::default()) {
            None => self.changes.push(CheckpointChange { path, file }),
            Some(objection) => self.skipped.push(objection),
        }
    }
}

fn stored_content(change: &CheckpointChange) -> Option<&Digest256> {
    match &change.file.as_ref()?.content {
        FileContent::Stored { blob } => Some(&blob.sha256),
        FileContent::Inline { .. } => None,
    }
}

fn file_mode(mode: Mode) -> FileMode {
    match mode {
        Mode::Regular => FileMode::Regular,
        Mode::Executable => FileMode::Executable,
        Mode::Symlink => FileMode::Symlink,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of files, which sends the contents of those that are marked.
    fn report(files: &[(&str, Mode, &[u8], bool)]) -> Collected {
        let changes: Vec<Difference> = files
            .iter()
            .map(|(path, mode, content, _)| Difference::Write {
                path: (*path).to_owned(),
                mode: *mode,
                sha256: Digest256::of(content).as_str().to_owned(),
                bytes: content.len() as u64,
            })
            .collect();
        let contents = files.iter().filter(|file| file.3).map(|file| Content(file.2.to_vec())).collect();
        Collected { digest: toolbox::digest(&changes), changes, contents, ..Collected::default() }
    }

    fn paths(judged: &Judged) -> Vec<&str> {
        judged.changes.iter().map(|change| change.path.as_str()).collect()
    }

    #[test]
    fn a_content_is_stored_once_and_only_if_it_is_new() {
        let stored = BTreeMap::from([(Digest256::of(b"old"), 3)]);
        let report = report(&[
            ("a", Mode::Regular, b"old", false),
            ("b", Mode::Regular, b"new", true),
            ("c", Mode::Executable, b"new", true),
        ]);
        let judged = judge(report, &stored, 3).unwrap();
        assert_eq!(paths(&judged), ["a", "b", "c"]);
        assert_eq!(judged.new_contents, BTreeMap::from([(Digest256::of(b"new"), b"new".to_vec())]));
    }

    #[test]
    fn what_may_not_be_published_or_does_not_fit_is_left_out_and_named() {
        let report = report(&[
            ("fits", Mode::Regular, b"12345", true),
            ("large", Mode::Regular, b"67890", true),
            ("link", Mode::Symlink, b"/", true),
            (".git/hooks/x", Mode::Regular, b"", true),
        ]);
        let judged = judge(report, &BTreeMap::new(), 9).unwrap();
        assert_eq!(paths(&judged), ["fits"]);
        assert_eq!(judged.skipped.len(), 3, "{:?}", judged.skipped);
        assert_eq!(judged.new_contents.len(), 1);
    }

    #[test]
    fn a_report_that_contradicts_itself_is_refused() {
        let good = report(&[("a", Mode::Regular, b"1", true)]);
        let judge = |report| judge(report, &BTreeMap::from([(Digest256::of(b"target"), 6)]), 100).unwrap_err();
        assert_eq!(judge(Collected { digest: Digest256::of(b"").into(), ..good.clone() }), Contradiction::Digest);
        let path = || "a".to_owned();
        assert_eq!(judge(Collected { contents: Vec::new(), ..good }), Contradiction::Content { path: path() });
        // The target of a link is judged by its text, so the text must be there.
        let link = report(&[("a", Mode::Symlink, b"target", false)]);
        assert_eq!(judge(link), Contradiction::Content { path: path() });
        let mut wrong_size = report(&[("a", Mode::Regular, b"1", true)]);
        let Difference::Write { bytes, .. } = &mut wrong_size.changes[0] else { unreachable!() };
        *bytes = 2;
        assert_eq!(judge(wrong_size), Contradiction::Content { path: path() });
    }
}
