//! Judges what a toolbox reports of a workspace. It ran beside code of the repository, so nothing of it is believed: hashes,
//! sizes and the digest are computed again, and each file is checked as one that is to be published.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Changeset, ChangesetLimits, CheckpointChange, CheckpointFile, Digest256, FileChange, FileContent, FileMode,
};
use toolbox::{Collected, Content, Difference, Mode, Skipped};

/// The part of a report that is kept.
#[derive(Debug)]
pub(super) struct Judged {
    /// The toolbox's digest of `changes`.
    pub digest: Digest256,
    pub changes: Vec<CheckpointChange>,
    /// The blobs of `changes` that are not stored yet.
    pub new_blobs: Vec<Vec<u8>>,
    /// Files that were left out, each with the reason.
    pub skipped: Vec<String>,
    /// What commands left behind.
    pub leftovers: Vec<String>,
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

/// What the session has stored already, and what it may still store.
pub(super) struct Space<'a> {
    /// The stored contents, by their digests.
    pub stored: &'a BTreeMap<Digest256, FileContent>,
    /// Bytes.
    pub left: u64,
    /// Is used for no other checkpoint.
    pub id: &'a str,
}

/// Judges a report: a file that may not be published, such as a link out of the workspace, is left out and named, and does not
/// end the run. `written` are the paths that tools wrote by name: they come first where space is short, and one of which the report
/// says nothing is named.
pub(super) fn judge(
    collected: Collected,
    written: &BTreeSet<String>,
    space: &Space<'_>,
) -> Result<Judged, Contradiction> {
    if toolbox::digest(&collected.changes) != collected.digest {
        return Err(Contradiction::Digest);
    }
    let unaccounted = unaccounted(&collected, written);
    let contents: BTreeMap<Digest256, Vec<u8>> =
        collected.contents.into_iter().map(|Content(content)| (Digest256::of(&content), content)).collect();
    let mut skipped = named(collected.skipped, collected.skipped_more);
    let leftovers = named(collected.leftovers, collected.leftovers_more);
    skipped.extend(unaccounted.into_iter().map(|path| format!("{path}: the sandbox gives no account of it")));
    let mut new_blobs = Vec::new();
    let mut new: BTreeMap<Digest256, FileContent> = BTreeMap::new();
    let (mut new_bytes, mut kept) = (0, Vec::new());
    let mut differences = collected.changes;
    differences.sort_by_key(|difference| !written.contains(difference.path()));
    for difference in differences {
        match &difference {
            Difference::Delete { path } => {
                match Changeset::objection(path, &FileChange::Delete, ChangesetLimits::default()) {
                    None => kept.push((CheckpointChange { path: path.clone(), file: None }, difference)),
                    Some(objection) => skipped.push(objection),
                }
            }
            Difference::Write { path, mode, sha256, bytes } => {
                let Ok(sha256) = Digest256::try_from(sha256.clone()) else {
                    return Err(Contradiction::Hash { path: path.clone() });
                };
                let mode = file_mode(*mode);
                let content = match contents.get(&sha256) {
                    Some(content) if content.len() as u64 == *bytes => content.as_slice(),
                    // Every rule but the size, which was checked when it was stored, concerns the path and a link's target.
                    None if mode != FileMode::Symlink
                        && space.stored.get(&sha256).is_some_and(|has| has.bytes() == *bytes) =>
                    {
                        &[]
                    }
                    Some(_) | None => return Err(Contradiction::Content { path: path.clone() }),
                };
                let change = FileChange::Write { mode, content: content.to_vec() };
                if let Some(objection) = Changeset::objection(path, &change, ChangesetLimits::default()) {
                    skipped.push(objection);
                    continue;
                }
                let content = match space.stored.get(&sha256).or_else(|| new.get(&sha256)) {
                    Some(content) => content.clone(),
                    None if new_bytes + bytes > space.left => {
                        skipped.push(format!("{path}: the session has used up its space for checkpoints"));
                        continue;
                    }
                    None => {
                        let (stored, blob) = FileContent::wrap(space.id, content);
                        new_bytes += bytes;
                        new_blobs.push(blob);
                        new.insert(sha256, stored.clone());
                        stored
                    }
                };
                kept.push((
                    CheckpointChange { path: path.clone(), file: Some(CheckpointFile { mode, content }) },
                    difference,
                ));
            }
        }
    }
    kept.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    let (changes, kept): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
    let digest = Digest256::try_from(toolbox::digest(&kept)).map_err(|_| Contradiction::Digest)?;
    Ok(Judged { digest, changes, new_blobs, skipped, leftovers })
}

fn named(left_out: Vec<Skipped>, more: usize) -> Vec<String> {
    let more = (more > 0).then(|| format!("and {more} more"));
    left_out.into_iter().map(|one| format!("{}: {}", one.path, one.reason)).chain(more).collect()
}

/// The written paths of which a report says nothing.
fn unaccounted(collected: &Collected, written: &BTreeSet<String>) -> Vec<String> {
    let told: BTreeSet<&str> = (collected.changes.iter().map(Difference::path))
        .chain(collected.skipped.iter().map(|skipped| skipped.path.trim_end_matches('/')))
        .chain(collected.unchanged_written.iter().map(String::as_str))
        .collect();
    let is_told = |path: &str| {
        let above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        told.contains(path) || above.into_iter().any(|directory| told.contains(directory))
    };
    written.iter().filter(|path| !is_told(path)).cloned().collect()
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

    fn judged(
        report: Collected,
        stored: &BTreeMap<Digest256, FileContent>,
        left: u64,
    ) -> Result<Judged, Contradiction> {
        judge(report, &BTreeSet::new(), &Space { stored, left, id: "now" })
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
        let judged = judged(report, &stored, 3).unwrap();
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
        let judged = judged(report, &BTreeMap::new(), 9).unwrap();
        assert_eq!(paths(&judged), ["fits"]);
        assert_eq!(judged.skipped.len(), 3, "{:?}", judged.skipped);
        assert_eq!(judged.new_blobs.len(), 1);
    }

    #[test]
    fn what_tools_wrote_comes_first_and_is_accounted_for() {
        let report = Collected {
            skipped: vec![Skipped { path: "inner/".to_owned(), reason: "it is a repository".to_owned() }],
            unchanged_written: vec!["as-before".to_owned()],
            ..report(&[("a", Mode::Regular, b"12345", true), ("b", Mode::Regular, b"67890", true)])
        };
        let written = ["as-before", "b", "inner/c", "lost"].map(str::to_owned).into();
        let judged = judge(report, &written, &Space { stored: &BTreeMap::new(), left: 5, id: "now" }).unwrap();
        assert_eq!(paths(&judged), ["b"], "there is space for one");
        assert_eq!(judged.skipped.len(), 3, "{:?}", judged.skipped);
        assert!(judged.skipped.contains(&"lost: the sandbox gives no account of it".to_owned()));
    }

    #[test]
    fn a_report_that_contradicts_itself_is_refused() {
        let good = report(&[("a", Mode::Regular, b"1", true)]);
        let (target, _) = FileContent::wrap("before", b"target");
        let stored = BTreeMap::from([(Digest256::of(b"target"), target)]);
        let judge = |report| judged(report, &stored, 100).unwrap_err();
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
