//! The comparison of the workspace with the base commit, and what it keeps for the next one.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use gix_hash::ObjectId;
use sha2::{Digest, Sha256};

use super::attributes::{Attributes, Fingerprint};
use super::clean::clean;
use super::left_out::LeftOut;
use super::observations::{Observation, Observations, Outcome};
use super::record::{Entry, EntryKind, Record};
use super::scan::{Candidate, Now, scan};
use super::settled::Settled;
use super::stamp::Stamp;
use crate::change::Mode;
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Root};
use crate::git::base::Base;
use crate::git::object_store::ObjectStore;
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
        known: &HashSet<Sha256Hash>,
    ) -> Result<Comparison, ToolError> {
        // Begun before anything is looked at: what is written later has a time that is not before this one. Without the
        // file there is no such time, and the next comparison reads everything again.
        let (new_record, mut observations) = Observations::begin(state).map_or_else(
            |_| (None, Observations::default()),
            |(new_record, observations)| (Some(new_record), observations),
        );
        let (candidates, left_out) = scan(root, &self.record, &self.settled, limits.files)?;
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
                let content = clean(raw, &attributes, self.record.settings.line_endings(), base)?;
                (content, self.mode(stamp, entry))
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
