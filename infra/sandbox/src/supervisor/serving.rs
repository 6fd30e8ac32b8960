//! The supervisor's loop.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::environment;
use super::ground::{Ground, number};
use super::place::Place;
use super::running::{Running, Voice, Word};
use crate::spool::Record;
use crate::wire::{self, Ending, Frames, Outcome, Reply, Report, Request};
use crate::{Exec, ExecId};

pub(super) struct Serving {
    control: UnixStream,
    frames: Frames,
    ground: Ground,
    place: Place,
    running: BTreeMap<ExecId, Running>,
    runs: u64,
}

/// Whose descriptor is ready.
enum Ready {
    Embedder,
    Ground,
    Exec(ExecId, Voice),
}

impl Serving {
    pub(super) fn new(control: UnixStream, frames: Frames, ground: Ground, place: Place) -> Self {
        Self { control, frames, ground, place, running: BTreeMap::new(), runs: 0 }
    }

    /// Serves until the embedding program closes its end. Whatever happens, nothing inside survives.
    pub(super) fn serve(mut self) -> io::Result<()> {
        let result = self.serve_requests();
        self.ground.end();
        result
    }

    fn serve_requests(&mut self) -> io::Result<()> {
        // What came together with the first request.
        self.answer_all()?;
        loop {
            for ready in self.wait()? {
                match ready {
                    Ready::Embedder => {
                        if !self.frames.fill(&mut self.control)? {
                            return Ok(());
                        }
                        self.answer_all()?;
                    }
                    Ready::Ground => return Err(io::Error::other("the keeper is gone")),
                    Ready::Exec(id, voice) => self.hear(&id, voice)?,
                }
            }
            let now = Instant::now();
            self.running.values_mut().for_each(|running| running.tick(now));
        }
    }

    fn wait(&self) -> io::Result<Vec<Ready>> {
        let ground = self.ground.alive();
        let mut sources = vec![(Ready::Embedder, self.control.as_fd(), PollFlags::POLLIN)];
        sources.extend(ground.as_ref().map(|alive| (Ready::Ground, alive.as_fd(), PollFlags::POLLIN)));
        for (id, running) in &self.running {
            let voices = running.voices();
            sources
                .extend(voices.map(|(voice, descriptor, flags)| (Ready::Exec(id.clone(), voice), descriptor, flags)));
        }
        let mut watched: Vec<PollFd<'_>> =
            sources.iter().map(|(_, descriptor, flags)| PollFd::new(*descriptor, *flags)).collect();
        match poll(&mut watched, self.time_to_wait()) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = watched.iter().map(|entry| entry.any().unwrap_or(true)).collect();
        Ok(sources.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|((source, ..), _)| source).collect())
    }

    fn time_to_wait(&self) -> PollTimeout {
        let Some(next) = self.running.values().filter_map(Running::next_moment).min() else { return PollTimeout::NONE };
        // Rounded up: a moment too early would only spin.
        let milliseconds = next.saturating_duration_since(Instant::now()).as_millis() + 1;
        i32::try_from(milliseconds).ok().and_then(|time| PollTimeout::try_from(time).ok()).unwrap_or(PollTimeout::MAX)
    }

    fn answer_all(&mut self) -> io::Result<()> {
        while let Some((request, body)) = self.frames.next::<Request>()? {
            match request {
                Request::Start { call, mut exec } => {
                    exec.stdin = body;
                    let outcome = self.start(exec).map_err(|error| error.to_string());
                    wire::send(&mut self.control, &Reply::Started { call, outcome }, &[])?;
                }
                Request::Kill { id } => {
                    if let Some(running) = self.running.get_mut(&id) {
                        running.kill(Instant::now());
                    }
                }
                Request::Open(_) => return Err(io::Error::other("a sandbox is opened once")),
            }
        }
        Ok(())
    }

    /// The one place that decides whether a command runs. Single-threaded and under the lock: no two callers can both find
    /// it not started.
    fn start(&mut self, exec: Exec) -> io::Result<Outcome> {
        if let Some(running) = self.running.get(&exec.id) {
            return Ok(Outcome::Running { run: running.run });
        }
        match self.place.spool.record(&exec.id)? {
            Record::Finished(exit) => return Ok(Outcome::Finished(exit)),
            Record::CutOff => return Ok(Outcome::CutOff),
            Record::Absent => {}
        }
        let id = exec.id.clone();
        self.place.spool.start(&id, &exec.argv)?;
        self.launch(exec).inspect_err(|_| {
            let _ = self.place.spool.take_back(&id);
        })
    }

    fn launch(&mut self, exec: Exec) -> io::Result<Outcome> {
        let mut launch = environment::launch(&exec, &self.place);
        self.ground.adapt(&mut launch);
        self.runs += 1;
        let run = self.runs;
        let (mut running, theirs, standard) = Running::new(exec, run, &launch.limits, &self.place.spool)?;
        let mut ours: Vec<_> = self.running.values().chain([&running]).flat_map(Running::descriptors).collect();
        ours.push(number(&self.control));
        self.ground.launch(theirs, standard, &ours)?;
        // A first process that died at once is heard of through its report or its silence.
        let _ = running.tell(&launch);
        self.running.insert(running.id.clone(), running);
        Ok(Outcome::Started { run })
    }

    fn hear(&mut self, id: &ExecId, voice: Voice) -> io::Result<()> {
        // Ended by an earlier voice of the same round.
        let Some(running) = self.running.get_mut(id) else { return Ok(()) };
        let report = match running.hear(voice) {
            Word::NotYet => return Ok(()),
            Word::Report(report) => Some(report),
            Word::Lost => None,
        };
        let Some(running) = self.running.remove(id) else { return Ok(()) };
        let run = running.run;
        let ending = match report {
            Some(Report::Ended { status, background_ended, cpu_microseconds }) => {
                let cpu = Duration::from_micros(cpu_microseconds);
                running.finish(status, background_ended, cpu, &self.place.spool).map_or(Ending::Lost, Ending::Exit)
            }
            Some(Report::NotStarted(failure)) => {
                drop(running);
                self.place.spool.take_back(id)?;
                Ending::NotStarted(failure)
            }
            None if self.ground.survives_loss() => Ending::Lost,
            None => return Err(io::Error::other("the first process of an exec is gone")),
        };
        self.ground.reap();
        wire::send(&mut self.control, &Reply::Ended { run, ending }, &[])
    }
}
