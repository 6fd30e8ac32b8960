//! Judges what a toolbox reports of a workspace. It ran beside code of the repository, so nothing of it is believed: hashes,
//! sizes and the digest are computed again, and each file is checked as one that is to be published.

use std::collections::BTreeMap;

use domain::{
    Changeset, ChangesetLimits, CheckpointChange, CheckpointFile, Digest256, FileChange, FileContent, FileMode,
};
use toolbox::{Collected, Content, Difference, Mode};

/// The part of a report that is kept.
#[derive(Debug)]
pub(super) struct Judged {
    pub digest: Digest256,
    pub changes: Vec<CheckpointChange>,
    /// The blobs of `changes` that are not stored yet.
    pub new_blobs: Vec<Vec<u8>>,
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

/// Judges a report: a file that may not be published, such as a link out of the workspace, is left out and named, and does not
/// end the run. `stored` are the contents that the session has stored, by their digests, and `quota` the bytes that it may
/// still store. `id` is used for no other checkpoint.
pub(super) fn judge(
    collected: Collected,
    stored: &BTreeMap<Digest256, FileContent>,
    quota: u64,
    id: &str,
) -> Result<Judged, Contradiction> {
    if toolbox::digest(&collected.changes) != collected.digest {
        return Err(Contradiction::Digest);
    }
    let digest = Digest256::try_from(collected.digest).map_err(|_| Contradiction::Digest)?;
    let contents: BTreeMap<Digest256, Vec<u8>> =
        collected.contents.into_iter().map(|Content(content)| (Digest256::of(&content), content)).collect();
    let skipped = collected.skipped.into_iter().map(|skipped| format!("{}: {}", skipped.path, skipped.reason));
    let mut judged = Judged { digest, changes: Vec::new(), new_blobs: Vec::new(), skipped: skipped.collect() };
    if collected.skipped_more > 0 {
        judged.skipped.push(format!("and {} more", collected.skipped_more));
    }
    let mut new: BTreeMap<Digest256, FileContent> = BTreeMap::new();
    let mut new_bytes = 0;
    for difference in collected.changes {
        match difference {
            Difference::Delete { path } => {
                match Changeset::objection(&path, &FileChange::Delete, ChangesetLimits::default()) {
                    None => judged.changes.push(CheckpointChange { path, file: None }),
                    Some(objection) => judged.skipped.push(objection),
                }
            }
            Difference::Write { path, mode, sha256, bytes } => {
                let Ok(sha256) = Digest256::try_from(sha256) else { return Err(Contradiction::Hash { path }) };
                let mode = file_mode(mode);
                let content = match contents.get(&sha256) {
                    Some(content) if content.len() as u64 == bytes => content.as_slice(),
                    // Every rule but the size, which was checked when it was stored, concerns the path and a link's target.
                    None if mode != FileMode::Symlink
                        && stored.get(&sha256).is_some_and(|has| has.bytes() == bytes) =>
                    {
                        &[]
                    }
                    Some(_) | None => return Err(Contradiction::Content { path }),
                };
                let change = FileChange::Write { mode, content: content.to_vec() };
                if let Some(objection) = Changeset::objection(&path, &change, ChangesetLimits::default()) {
                    judged.skipped.push(objection);
                    continue;
                }
                let content = match stored.get(&sha256).or_else(|| new.get(&sha256)) {
                    Some(content) => content.clone(),
                    None if new_bytes + bytes > quota => {
                        judged.skipped.push(format!("{path}: the session has used up its space for checkpoints"));
                        continue;
                    }
                    None => {
                        let (stored, blob) = FileContent::wrap(id, content);
                        new_bytes += bytes;
                        judged.new_blobs.push(blob);
                        new.insert(sha256, stored.clone());
                        stored
                    }
                };
                judged.changes.push(CheckpointChange { path, file: Some(CheckpointFile { mode, content }) });
            }
        }
    }
    Ok(judged)
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
        let (old, _) = FileContent::wrap("before", b"old");
        let stored = BTreeMap::from([(Digest256::of(b"old"), old.clone())]);
        let report = report(&[
            ("a", Mode::Regular, b"old", false),
            ("b", Mode::Regular, b"new", true),
            ("c", Mode::Executable, b"new", true),
        ]);
        let judged = judge(report, &stored, 3, "now").unwrap();
        assert_eq!(paths(&judged), ["a", "b", "c"]);
        assert_eq!(judged.new_blobs, [b"now\nnew"]);
        let (new, _) = FileContent::wrap("now", b"new");
        let contents = judged.changes.iter().map(|change| &change.file.as_ref().unwrap().content);
        assert_eq!(contents.collect::<Vec<_>>(), [&old, &new, &new]);
    }

    #[test]
    fn what_may_not_be_published_or_does_not_fit_is_left_out_and_named() {
        let report = report(&[
            ("fits", Mode::Regular, b"12345", true),
            ("large", Mode::Regular, b"67890", true),
            ("link", Mode::Symlink, b"/", true),
            (".git/hooks/x", Mode::Regular, b"", true),
        ]);
        let judged = judge(report, &BTreeMap::new(), 9, "now").unwrap();
        assert_eq!(paths(&judged), ["fits"]);
        assert_eq!(judged.skipped.len(), 3, "{:?}", judged.skipped);
        assert_eq!(judged.new_blobs.len(), 1);
    }

    #[test]
    fn a_report_that_contradicts_itself_is_refused() {
        let good = report(&[("a", Mode::Regular, b"1", true)]);
        let (target, _) = FileContent::wrap("before", b"target");
        let stored = BTreeMap::from([(Digest256::of(b"target"), target)]);
        let judge = |report| judge(report, &stored, 100, "now").unwrap_err();
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
