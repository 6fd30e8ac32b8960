//! The comparison of the workspace with the base commit, and what it keeps for the next one.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use gix_hash::ObjectId;
use sha2::{Digest, Sha256};

use super::attributes::{Attributes, Fingerprint, PathAttributes};
use super::checkout::checkout;
use super::clean::clean;
use super::filters;
use super::left_out::LeftOut;
use super::observations::{Observation, Observations, Outcome};
use super::record::{Autocrlf, Entry, EntryKind, Record};
use super::scan::{Candidate, Now, scan};
use super::settled::Settled;
use super::stamp::Stamp;
use super::written::Written;
use crate::change::Mode;
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Root};
use crate::git::base::Base;
use crate::git::object_store::ObjectStore;
use crate::operations::apply::write;
use crate::operations::collect::Limits;

/// The hash of a content, by which contents are addressed.
pub(crate) type Sha256Hash = [u8; 32];

/// The record of the fresh checkout and what earlier comparisons have read.
pub(crate) struct Tracker {
    record: Record,
    observations: Observations,
    settled: Settled,
    objects: ObjectStore,
}

/// What differs from the base commit.
pub(crate) struct Comparison {
    /// Sorted by path; none of them is [`Outcome::Same`].
    pub(crate) changes: Vec<(String, Outcome)>,
    /// The contents of the changes that the caller does not have.
    pub(crate) contents: BTreeMap<Sha256Hash, Vec<u8>>,
    pub(crate) left_out: LeftOut,
}

/// A file or link as git stores it.
pub(crate) struct StoredFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) mode: Mode,
    pub(crate) content: Cow<'a, [u8]>,
}

/// A candidate whose content was read.
struct Read {
    outcome: Outcome,
    /// Its hash and itself; none for [`Outcome::Same`].
    content: Option<(Sha256Hash, Vec<u8>)>,
}

impl Tracker {
    /// # Errors
    /// [`ToolError::NoBase`] when `baseline` was not called or its record is damaged.
    pub(crate) fn open(state: &Path) -> Result<Self, ToolError> {
        let directory = Base::directory(state);
        let record = Record::load(&directory).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                ToolError::NoBase("baseline has not been called in this sandbox".to_owned())
            }
            _ => ToolError::NoBase(format!("its record cannot be read: {error}")),
        })?;
        let objects = ObjectStore::new(&directory, record.settings.object_hash());
        Ok(Self { record, observations: Observations::load(state), settled: Settled::load(state), objects })
    }

    /// Takes what differs now for a part of the environment. Answers the number of paths.
    pub(crate) fn settle(&mut self, root: &Root, state: &Path) -> Result<usize, ToolError> {
        self.settled = Settled::record(root, state, &self.record)?;
        Ok(self.settled.len())
    }

    /// Compares the workspace with the base commit. The caller has the contents with the hashes in `known`, except the targets
    /// of links, which it always gets.
    pub(crate) fn compare(
        &mut self,
        root: &Root,
        state: &Path,
        limits: Limits,
        written: &Written,
        known: &HashSet<Sha256Hash>,
    ) -> Result<Comparison, ToolError> {
        // Begun before anything is looked at: what is written later has a time that is not before this one. Without the
        // file there is no such time, and the next comparison reads everything again.
        let (new_record, mut observations) = Observations::begin(state).map_or_else(
            |_| (None, Observations::default()),
            |(new_record, observations)| (Some(new_record), observations),
        );
        let (mut candidates, left_out) = scan(root, &self.record, &self.settled, written, limits.files)?;
        // Under every limit what tools wrote comes first, then what the base commit has. Within each they stay sorted by path.
        candidates.sort_by_key(|candidate| match (written.contains(&candidate.path), candidate.entry) {
            (true, _) => 0,
            (false, Some(_)) => 1,
            (false, None) => 2,
        });
        let mut comparison = Comparison { changes: Vec::new(), contents: BTreeMap::new(), left_out };
        let mut attributes = Attributes::new(root, &self.record.settings.attributes);
        let (mut total, mut has_read) = (0, false);
        for candidate in candidates {
            let entry = candidate.entry.and_then(|index| self.record.entries.get(index));
            let rules = match candidate.now {
                Now::Nothing => Fingerprint::default(),
                Now::File(_) | Now::Link(_) => {
                    let directory = candidate.path.rsplit_once('/').map_or("", |(directory, _)| directory);
                    attributes.enter(directory, &mut comparison.left_out)
                }
            };
            let observation = self.observations.of(&candidate.path, candidate.now.stamp(), &rules);
            let observed = observation.filter(|known_path| !known_path.outcome.wants_content(known));
            let (outcome, content) = match observed {
                Some(observation) => (observation.outcome.clone(), None),
                None => match self.read(root, &candidate, entry, limits, limits.bytes_total - total, &mut attributes) {
                    Ok(read) => {
                        has_read |= observation.is_none();
                        (read.outcome, read.content)
                    }
                    Err(reason) => {
                        comparison.left_out.add_name(candidate.path, reason);
                        continue;
                    }
                },
            };
            let observation = Observation::new(candidate.now.stamp().copied(), rules, outcome.clone());
            observations.paths.insert(candidate.path.clone(), observation);
            let bytes = match outcome {
                Outcome::Same => continue,
                Outcome::Written { bytes, .. } => bytes,
                Outcome::Deleted => 0,
            };
            if comparison.changes.len() >= limits.files {
                comparison.left_out.add_name(candidate.path, format!("more than {} files differ", limits.files));
            } else if total + bytes > limits.bytes_total {
                comparison.left_out.add_name(candidate.path, over_total(limits));
            } else {
                total += bytes;
                comparison.contents.extend(content.filter(|_| outcome.wants_content(known)));
                comparison.changes.push((candidate.path, outcome));
            }
        }
        comparison.changes.sort_by(|one, other| one.0.cmp(&other.0));
        if has_read || observations.paths != self.observations.paths {
            // If the record cannot be saved, the next comparison only takes longer.
            let _ = new_record.map(|new_record| observations.save(state, new_record));
            self.observations = observations;
        }
        Ok(comparison)
    }

    /// Reads a candidate as git would store it. The error is a clause that says why it is left out.
    fn read(
        &self,
        root: &Root,
        candidate: &Candidate,
        entry: Option<&Entry>,
        limits: Limits,
        remaining: u64,
        attributes: &mut Attributes<'_>,
    ) -> Result<Read, String> {
        let base = || entry.and_then(Entry::id).and_then(|id| self.objects.blob(id, limits.bytes_per_file));
        let (raw, mode) = match &candidate.now {
            Now::Nothing => return Ok(Read { outcome: Outcome::Deleted, content: None }),
            Now::Link(_) => (link(root, &candidate.path)?, Mode::Symlink),
            Now::File(stamp) => {
                if stamp.bytes > limits.bytes_per_file {
                    return Err(format!("it has {} bytes, the limit is {}", stamp.bytes, limits.bytes_per_file));
                }
                // Not read first: a thousand sparse files cost nothing to make and minutes to read.
                if stamp.bytes > remaining {
                    return Err(over_total(limits));
                }
                let raw = file(root, &candidate.path, limits.bytes_per_file)?;
                let attributes = attributes.of(&candidate.path);
                let mode = self.mode(stamp, entry);
                if self.is_checkout(&raw, &attributes, entry.filter(|entry| entry.kind == EntryKind::File(mode)), base)
                {
                    return Ok(Read { outcome: Outcome::Same, content: None });
                }
                if let Some(objection) = filters::objection(&raw, &attributes) {
                    return Err(objection);
                }
                (clean(raw, &attributes, self.record.settings.line_endings(), base)?, mode)
            }
        };
        let id = self.objects.id(&raw);
        if entry.is_some_and(|entry| entry.kind == EntryKind::File(mode) && is_id(entry, id.as_ref())) {
            return Ok(Read { outcome: Outcome::Same, content: None });
        }
        let sha256 = Sha256::digest(&raw).into();
        let outcome = Outcome::Written { mode, sha256, bytes: raw.len() as u64 };
        Ok(Read { outcome, content: Some((sha256, raw)) })
    }

    /// Whether a file of the base commit is what a checkout writes, though git would store it otherwise once it is touched: it was
    /// committed with other line endings than its attributes ask for, or needs a filter that is not run.
    fn is_checkout(
        &self,
        raw: &[u8],
        attributes: &PathAttributes,
        entry: Option<&Entry>,
        base: impl Fn() -> Option<Vec<u8>>,
    ) -> bool {
        let settings = &self.record.settings;
        let is_converted = *attributes != PathAttributes::default() || settings.autocrlf != Autocrlf::False;
        if entry.is_none() || !is_converted {
            return false;
        }
        let content = base().map(|blob| checkout(blob, attributes, settings.line_endings(), settings.object_hash()));
        content.is_some_and(|content| content == raw)
    }

    /// Whether the base commit has a file or link at the path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.record.find(path).is_some_and(|entry| matches!(entry.kind, EntryKind::File(_)))
    }

    /// A file or link of the base commit.
    pub(crate) fn base_file<'a>(&self, path: &'a str) -> Result<StoredFile<'a>, ToolError> {
        let entry = self.record.find(path).and_then(|entry| match entry.kind {
            EntryKind::File(mode) => Some((mode, entry.id()?)),
            EntryKind::Submodule => None,
        });
        let found = entry.and_then(|(mode, id)| Some((mode, self.objects.blob(id, u64::MAX)?)));
        let (mode, content) =
            found.ok_or_else(|| ToolError::Invalid(format!("{path:?} of the base commit cannot be read.")))?;
        Ok(StoredFile { path, mode, content: content.into() })
    }

    /// Writes files and links as a checkout writes them.
    pub(crate) fn check_out(&self, root: &Root, files: &[StoredFile<'_>]) -> Result<(), ToolError> {
        // First what says how the others are written.
        let is_rules = |file: &&StoredFile<'_>| file.path.rsplit('/').next() == Some(".gitattributes");
        for file in files.iter().filter(is_rules) {
            write(root, file.path, file.mode, &file.content)?;
        }
        let settings = &self.record.settings;
        let mut attributes = Attributes::new(root, &settings.attributes);
        let mut others: Vec<&StoredFile<'_>> = files.iter().filter(|file| !is_rules(file)).collect();
        others.sort_by_key(|file| file.path);
        for StoredFile { path, mode, content } in others {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            attributes.enter(directory, &mut LeftOut::default());
            match mode {
                Mode::Symlink => write(root, path, *mode, content)?,
                Mode::Regular | Mode::Executable => {
                    let rules = attributes.of(path);
                    let (endings, hash) = (settings.line_endings(), settings.object_hash());
                    write(root, path, *mode, &checkout(content.to_vec(), &rules, endings, hash))?;
                }
            }
        }
        Ok(())
    }

    fn mode(&self, stamp: &Stamp, entry: Option<&Entry>) -> Mode {
        if self.record.settings.file_mode {
            return if stamp.is_executable() { Mode::Executable } else { Mode::Regular };
        }
        match entry.map(|entry| entry.kind) {
            Some(EntryKind::File(mode @ (Mode::Regular | Mode::Executable))) => mode,
            Some(EntryKind::File(Mode::Symlink) | EntryKind::Submodule) | None => Mode::Regular,
        }
    }
}

impl Outcome {
    /// Whether the answer must contain the content. The caller judges the target of a link by its text.
    fn wants_content(&self, known: &HashSet<Sha256Hash>) -> bool {
        match self {
            Self::Written { mode: Mode::Symlink, .. } => true,
            Self::Written { mode: Mode::Regular | Mode::Executable, sha256, .. } => !known.contains(sha256),
            Self::Same | Self::Deleted => false,
        }
    }
}

fn is_id(entry: &Entry, id: Option<&ObjectId>) -> bool {
    matches!((entry.id(), id), (Some(base), Some(now)) if base == now.as_ref())
}

fn over_total(limits: Limits) -> String {
    format!("all changes together would exceed {} bytes", limits.bytes_total)
}

fn link(root: &Root, path: &str) -> Result<Vec<u8>, String> {
    let located = RelativePath::exact(path).and_then(|path| root.locate_exact(&path)).map_err(unreadable)?;
    match located.found {
        Found::Link => located.link_target().map_err(unreadable),
        Found::Nothing | Found::File(_) | Found::Directory | Found::Other => Err(CHANGED.to_owned()),
    }
}

fn file(root: &Root, path: &str, limit: u64) -> Result<Vec<u8>, String> {
    let located = RelativePath::exact(path).and_then(|path| root.locate_exact(&path)).map_err(unreadable)?;
    match located.found {
        Found::File(_) => located.read(limit, "").map_err(|error| match error {
            ToolError::TooLarge { bytes, limit, .. } => format!("it has {bytes} bytes, the limit is {limit}"),
            error => unreadable(error),
        }),
        Found::Nothing | Found::Link | Found::Directory | Found::Other => Err(CHANGED.to_owned()),
    }
}

const CHANGED: &str = "it changed while it was read";

fn unreadable(error: ToolError) -> String {
    match error {
        ToolError::Io { source, .. } => format!("it cannot be read: {source}"),
        error => format!("it cannot be read: {error}"),
    }
}
