use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::unistd::Pid;

use crate::accounting::Accounting;
use crate::command::Standard;
use crate::environment;
use crate::ground::{Ground, Guest};
use crate::hold::{Hold, Word};
use crate::layout::Layout;
use crate::place::Place;
use crate::running::{Running, Voice};
use crate::specification::Specification;
use crate::spool::{Record, Stream};
use crate::wire::{Launch, Report, Task};
use crate::{Captured, Error, Exec, ExecId, Exit, Limits, Part, Status};

/// Heap and private writable memory of the worker, which reads what commands wrote.
const WORKER_DATA_BYTES: u64 = 1 << 30;

/// An open sandbox: its directory, locked, and what runs in it. Dropping it kills what runs inside and keeps the directory, which
/// can be opened again.
///
/// It waits for nothing by itself. Its owner polls the [sources](Self::sources), has it [hear](Self::hear) those that are ready,
/// and [ticks](Self::tick) it at the [next moment](Self::next_moment).
pub struct Sandbox {
    place: Place,
    ground: Ground,
    accounting: Accounting,
    listener: Option<OwnedFd>,
    running: BTreeMap<ExecId, Running>,
    /// Begun by the owner, who carries them out.
    begun: BTreeSet<ExecId>,
    worker: Option<Hold>,
    runs: u64,
}

/// What was found under an id that was to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing; it was started now.
    Started,
    /// It runs.
    Running,
    /// It ended earlier.
    Finished(Exit),
    /// It was started under a supervisor that is gone, and no end is recorded. It was not started again.
    CutOff,
}

/// The state of an exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was never started.
    Absent,
    /// It runs.
    Running,
    /// It has ended.
    Finished(Exit),
    /// It was started, and how it ended is not known.
    CutOff,
}

/// Something to poll.
#[derive(Clone, Debug)]
pub struct Source(Origin);

#[derive(Clone, Debug)]
enum Origin {
    Ground,
    Accounting,
    Worker,
    Exec(ExecId, Voice),
}

/// What has just ended.
#[derive(Debug)]
pub enum Ended {
    /// An exec.
    Exec(ExecId, Ending),
    /// The worker, and how, where that is known. The next one may be started.
    Worker(Option<Status>),
}

/// What became of an exec.
#[derive(Debug)]
pub enum Ending {
    /// It ended, and that is recorded.
    Exit(Exit),
    /// Its command was never reached; the same id may be tried again.
    NotStarted {
        /// What the machine lacks, if that is the reason.
        lacking: Option<Part>,
        /// Which preparation failed.
        reason: String,
    },
    /// How it ended is not known.
    CutOff,
}

impl Sandbox {
    /// Makes or reopens a sandbox. `worker` is what a [worker](Self::start_worker) does.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a specification that cannot be met, [`Error::Lacking`] when the machine cannot do what the mode
    /// needs, [`Error::InUse`] while another process has the directory, [`Error::SetUp`] otherwise, also when this process has more
    /// than one thread: a fork of such a process may not do what ours do.
    pub fn open(specification: Specification, worker: fn() -> c_int) -> Result<Self, Error> {
        specification.check()?;
        let threads = std::fs::read_dir("/proc/self/task").map_err(Error::io("counting the threads"))?.count();
        if threads != 1 {
            return Err(Error::SetUp(format!("a supervisor must have one thread, this process has {threads}")));
        }
        let layout = Layout::new(&specification);
        let place = Place::open(specification, layout)?;
        let mut accounting = Accounting::open(&place).map_err(Error::io("preparing to count what is used"))?;
        let opened = Ground::open(&place, &accounting, worker);
        let (ground, listener) = opened.inspect_err(|_| accounting.end())?;
        let (running, begun) = (BTreeMap::new(), BTreeSet::new());
        Ok(Self { place, ground, accounting, listener, running, begun, worker: None, runs: 0 })
    }

    /// With [`Network::Proxy`](crate::Network::Proxy), once: the socket that listens at [`PROXY`](crate::PROXY) on the commands' loopback.
    pub fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take().map(TcpListener::from)
    }

    /// Where things are, as commands see them.
    pub fn layout(&self) -> &Layout {
        &self.place.layout
    }

    /// Runs a command unless its id is known. Single-threaded and under the lock: no two callers can both find it not started.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a command that cannot be expressed, [`Error::NotStarted`] when the spool cannot be written.
    pub fn start_or_attach(&mut self, exec: Exec) -> Result<Found, Error> {
        exec.check()?;
        let id = exec.id.clone();
        let started = self.begin_record(&id, &exec.argv).and_then(|known| match known {
            Some(found) => Ok(found),
            None => self.launch(exec).map(|()| Found::Started).inspect_err(|_| {
                let _ = self.place.spool.take_back(&id);
            }),
        });
        started.map_err(|source| Error::NotStarted { id, source })
    }

    /// Records the start of something that the caller itself carries out under an exec's id, unless the id is known. `what` stands
    /// in the record.
    ///
    /// # Errors
    ///
    /// [`Error::NotStarted`] when the spool cannot be written.
    pub fn begin(&mut self, id: &ExecId, what: &str) -> Result<Found, Error> {
        let known = self.begin_record(id, &[what.to_owned()]);
        let known = known.map_err(|source| Error::NotStarted { id: id.clone(), source })?;
        Ok(known.unwrap_or_else(|| {
            self.begun.insert(id.clone());
            Found::Started
        }))
    }

    /// Records the end of what was [begun](Self::begin). When that fails, it counts as cut off.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the spool cannot be written.
    pub fn finish(&mut self, id: &ExecId, status: Status, wall: Duration, stdout: &[u8]) -> Result<Exit, Error> {
        self.begun.remove(id);
        let bytes = stdout.len() as u64;
        let stdout_captured = Captured { total_bytes: bytes, kept_bytes: bytes, ..Captured::default() };
        let exit = Exit {
            status,
            limit: None,
            stdout: stdout_captured,
            stderr: Captured::default(),
            background_ended: 0,
            wall,
            cpu: Duration::ZERO,
        };
        let spool = &self.place.spool;
        let written = if stdout.is_empty() { Ok(()) } else { spool.write_head(id, Stream::Stdout, stdout) };
        let written = written.and_then(|()| spool.finish(id, &exit));
        written.map(|()| exit).map_err(Error::io(format!("recording the end of {id}")))
    }

    /// The state of an exec.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when its record cannot be read.
    pub fn progress(&self, id: &ExecId) -> Result<Progress, Error> {
        if self.running.contains_key(id) || self.begun.contains(id) {
            return Ok(Progress::Running);
        }
        match self.place.spool.record(id) {
            Ok(Record::Absent) => Ok(Progress::Absent),
            Ok(Record::Finished(exit)) => Ok(Progress::Finished(exit)),
            Ok(Record::CutOff) => Ok(Progress::CutOff),
            Err(error) => Err(Error::io(format!("reading the record of {id}"))(error)),
        }
    }

    /// Every exec that was ever started, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the spool cannot be read.
    pub fn list(&self) -> Result<Vec<(ExecId, Progress)>, Error> {
        let ids = self.place.spool.list().map_err(Error::io("listing the records"))?;
        let known = ids.into_iter().map(|id| self.progress(&id).map(|progress| (id, progress)));
        known.filter(|known| !matches!(known, Ok((_, Progress::Absent)))).collect()
    }

    /// Whether no exec runs or is carried out by the caller.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.begun.is_empty()
    }

    /// Ends an exec: SIGTERM to its main process's group, SIGKILL to everything after the grace period. Returns at once; nothing
    /// happens to an exec that is not running.
    pub fn kill(&mut self, id: &ExecId) {
        if let Some(running) = self.running.get_mut(id) {
            running.kill(Instant::now());
        }
    }

    /// At most `limit` bytes from the kept start of a stream; also while the exec runs. Empty at the end, and for an
    /// unknown exec.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the spool cannot be read.
    pub fn read(&self, id: &ExecId, stream: Stream, offset: u64, limit: usize) -> Result<Vec<u8>, Error> {
        self.place.spool.read(id, stream, offset, limit).map_err(Error::io(format!("reading the output of {id}")))
    }

    /// At most `length` of the last bytes of a stream; also while the exec runs. Between the kept start and the kept end there
    /// may be a gap.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the spool cannot be read.
    pub fn last(&self, id: &ExecId, stream: Stream, length: usize) -> Result<Vec<u8>, Error> {
        let spool = &self.place.spool;
        let read = || -> io::Result<Vec<u8>> {
            let mut tail = match self.running.get(id) {
                Some(running) => running.tail(stream),
                None => spool.tail(id, stream)?,
            };
            if tail.len() >= length {
                return Ok(tail.split_off(tail.len() - length));
            }
            let mut last = spool.end_of_head(id, stream, length - tail.len())?;
            last.append(&mut tail);
            Ok(last)
        };
        read().map_err(Error::io(format!("reading the output of {id}")))
    }

    /// Starts the worker: a process behind the same walls as commands that runs the function given to [`open`](Self::open), with
    /// the other end of the returned socket as its standard input and output. It alone sees the state. There is one at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be forked, and while the last one has not ended.
    pub fn start_worker(&mut self) -> Result<UnixStream, Error> {
        let failed = || Error::io::<io::Error>("starting the worker");
        if self.worker.is_some() {
            return Err(failed()(io::ErrorKind::AlreadyExists.into()));
        }
        let limits = Limits { data_bytes: Some(WORKER_DATA_BYTES), ..self.place.specification.limits.clone() };
        let mut launch = Launch { task: Task::Worker, limits };
        self.ground.adapt(&mut launch);
        let fork = || -> io::Result<(Hold, UnixStream)> {
            let (mut hold, control) = Hold::new(self.runs + 1)?;
            let (ours, theirs) = UnixStream::pair()?;
            let output = OwnedFd::from(theirs.try_clone()?);
            let error = File::options().write(true).open("/dev/null")?.into();
            let standard = Standard { input: theirs.into(), output, error };
            let process = self.ground.launch(Guest::Worker, hold.run, control, standard)?;
            self.accounting.count(&mut hold, process)?;
            Ok((hold, ours))
        };
        let (mut hold, socket) = fork().map_err(failed())?;
        self.runs = hold.run;
        // One that died at once is heard of through its silence.
        let _ = hold.tell(&launch);
        self.worker = Some(hold);
        Ok(socket)
    }

    /// Kills the worker. [`Ended::Worker`] follows.
    pub fn kill_worker(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.kill(Instant::now());
        }
    }

    /// What to poll, and for what.
    pub fn sources(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>, PollFlags)> {
        let ground = self.ground.source().map(|source| (Source(Origin::Ground), source, PollFlags::POLLIN));
        let accounting = self.accounting.source().map(|source| (Source(Origin::Accounting), source, PollFlags::POLLIN));
        let worker = self.worker.as_ref().map(|hold| (Source(Origin::Worker), hold.source(), PollFlags::POLLIN));
        let execs = self.running.values().flat_map(|running| {
            let named = |voice| Source(Origin::Exec(running.id.clone(), voice));
            running.voices().map(move |(voice, descriptor, flags)| (named(voice), descriptor, flags))
        });
        ground.into_iter().chain(accounting).chain(worker).chain(execs)
    }

    /// When time alone will change something.
    pub fn next_moment(&self) -> Option<Instant> {
        let worker = self.worker.as_ref().and_then(Hold::next_moment);
        self.running.values().filter_map(Running::next_moment).chain(worker).chain(self.accounting.next_moment()).min()
    }

    /// Lets time have its effects.
    pub fn tick(&mut self, now: Instant) {
        self.running.values_mut().for_each(|running| running.tick(now));
        self.worker.iter_mut().for_each(|worker| worker.tick(now));
        let execs: Vec<(&ExecId, Option<Pid>)> =
            self.running.values().map(|running| (&running.id, running.hold.process())).collect();
        if let Some((id, limit)) = self.accounting.tick(now, &execs)
            && let Some(running) = self.running.get_mut(&id)
        {
            running.reach(limit, now);
        }
    }

    /// Takes what a ready source has to say.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when nothing is supervised any more; the owner must drop the sandbox.
    pub fn hear(&mut self, source: &Source) -> Result<Option<Ended>, Error> {
        match &source.0 {
            Origin::Ground => {
                let (run, handle) = self.ground.hear().ok_or(Error::Lost("the keeper of its namespaces is gone"))?;
                let holds = self.running.values_mut().map(|running| &mut running.hold).chain(&mut self.worker);
                // None for an exec that ended at once.
                if let Some(hold) = holds.into_iter().find(|hold| hold.run == run) {
                    hold.take_handle(handle);
                }
                Ok(None)
            }
            Origin::Accounting => {
                // Whose files these are is not known.
                if let Some(limit) = self.accounting.hear() {
                    let now = Instant::now();
                    self.running.values_mut().for_each(|running| running.reach(limit, now));
                }
                Ok(None)
            }
            Origin::Worker => {
                let Some(hold) = &mut self.worker else { return Ok(None) };
                let status = match hold.listen() {
                    Word::NotYet => return Ok(None),
                    Word::Report(Report::Ended { status, .. }) => Some(status),
                    Word::Report(Report::NotStarted(_)) | Word::Forced => None,
                    Word::Lost => {
                        self.bear_loss()?;
                        None
                    }
                };
                self.worker = None;
                self.ground.reap();
                Ok(Some(Ended::Worker(status)))
            }
            Origin::Exec(id, voice) => self.hear_exec(id, *voice),
        }
    }

    fn hear_exec(&mut self, id: &ExecId, voice: Voice) -> Result<Option<Ended>, Error> {
        // Ended by an earlier voice of the same round.
        let Some(running) = self.running.get_mut(id) else { return Ok(None) };
        let word = running.hear(voice);
        if let Word::NotYet = word {
            return Ok(None);
        }
        let Some(running) = self.running.remove(id) else { return Ok(None) };
        let spool = &self.place.spool;
        let kills = self.accounting.memory_kills();
        let finish = |running: Running, status, background_ended, cpu| {
            running.finish(status, background_ended, cpu, kills, spool).map_or(Ending::CutOff, Ending::Exit)
        };
        let ending = match word {
            Word::NotYet => return Ok(None),
            Word::Report(Report::Ended { status, background_ended, cpu_microseconds }) => {
                finish(running, status, background_ended, Duration::from_micros(cpu_microseconds))
            }
            // Nobody was left to count.
            Word::Forced => finish(running, Status::Killed, 0, Duration::ZERO),
            Word::Report(Report::NotStarted(failure)) => {
                drop(running);
                match spool.take_back(id) {
                    Ok(()) => Ending::NotStarted { lacking: failure.part, reason: failure.detail },
                    Err(_) => Ending::CutOff,
                }
            }
            Word::Lost => {
                self.bear_loss()?;
                Ending::CutOff
            }
        };
        self.ground.reap();
        if self.running.is_empty() {
            self.accounting.rest();
        }
        Ok(Some(Ended::Exec(id.clone(), ending)))
    }

    fn bear_loss(&self) -> Result<(), Error> {
        match self.ground.survives_loss() {
            true => Ok(()),
            false => Err(Error::Lost("the first process of an exec is gone")),
        }
    }

    /// What is known of an id; `None` when it was recorded as started now.
    fn begin_record(&self, id: &ExecId, what: &[String]) -> io::Result<Option<Found>> {
        if self.running.contains_key(id) || self.begun.contains(id) {
            return Ok(Some(Found::Running));
        }
        match self.place.spool.record(id)? {
            Record::Finished(exit) => Ok(Some(Found::Finished(exit))),
            Record::CutOff => Ok(Some(Found::CutOff)),
            Record::Absent => self.place.spool.start(id, what).map(|()| None),
        }
    }

    fn launch(&mut self, exec: Exec) -> io::Result<()> {
        let task = Task::Program(environment::program(&exec, &self.place));
        let limits = exec.limits.as_ref().unwrap_or(&self.place.specification.limits).clone();
        let mut launch = Launch { task, limits };
        self.ground.adapt(&mut launch);
        self.runs += 1;
        let kills = self.accounting.memory_kills();
        let (mut running, theirs, standard) = Running::new(exec, self.runs, &launch.limits, kills, &self.place.spool)?;
        let process = self.ground.launch(Guest::Command, self.runs, theirs, standard)?;
        // Before it is told what to do.
        self.accounting.count(&mut running.hold, process)?;
        self.accounting.started();
        // A first process that died at once is heard of through its report or its silence.
        let _ = running.hold.tell(&launch);
        self.running.insert(running.id.clone(), running);
        Ok(())
    }
}

impl Drop for Sandbox {
    /// Returns when nothing inside is left.
    fn drop(&mut self) {
        self.ground.end();
        self.accounting.end();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = &self.place.specification.directory;
        formatter.debug_struct("Sandbox").field("directory", directory).finish_non_exhaustive()
    }
}
