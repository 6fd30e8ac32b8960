//! The embedding program's end of a supervisor.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::spawner;
use crate::specification::{Launcher, Specification};
use crate::wire::{self, Ending, Frames, Outcome, Refusal, Reply, Request};
use crate::{Error, Exec, ExecId};

/// More than setting up ever takes; a launcher that starts something else must not hang its caller.
const SET_UP: Duration = Duration::from_secs(30);
/// More than ending ever takes, short of a process stuck in the kernel.
const ENDING: Duration = Duration::from_secs(10);

pub(crate) struct Connection {
    writer: Mutex<UnixStream>,
    news: Arc<News>,
    supervisor: Mutex<Child>,
}

/// What the supervisor has said, for whoever waits.
#[derive(Default)]
pub(crate) struct News {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    calls: u64,
    outcomes: BTreeMap<u64, Result<Outcome, String>>,
    endings: BTreeMap<u64, Ending>,
    gone: bool,
}

impl Connection {
    pub(crate) fn open(launcher: &Launcher, specification: &Specification) -> Result<Self, Error> {
        let failed = || Error::io::<std::io::Error>("speaking to the supervisor");
        let (mut ours, theirs) = UnixStream::pair().map_err(failed())?;
        let mut command = Command::new(&launcher.program);
        command.args(&launcher.arguments).env_clear().current_dir("/");
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut supervisor = spawner::spawn(command)?;
        let opened = Self::negotiate(&mut ours, specification)
            .and_then(|frames| Ok((frames, ours.try_clone().map_err(failed())?)));
        match opened {
            Ok((frames, reader)) => {
                let news = Arc::new(News::default());
                let listener = Arc::clone(&news);
                let listen = move || listener.listen(reader, frames);
                let connection = Self { writer: Mutex::new(ours), news, supervisor: Mutex::new(supervisor) };
                thread::Builder::new().name("sandbox-listener".to_owned()).spawn(listen).map_err(failed())?;
                Ok(connection)
            }
            Err(error) => {
                let _ = supervisor.kill();
                let _ = supervisor.wait();
                Err(error)
            }
        }
    }

    fn negotiate(ours: &mut UnixStream, specification: &Specification) -> Result<Frames, Error> {
        let failed = |_| Error::SetUp("the supervisor did not answer; does its launcher call `supervise`?".to_owned());
        ours.set_read_timeout(Some(SET_UP)).map_err(failed)?;
        wire::send(ours, &Request::Open(specification.clone()), &[]).map_err(failed)?;
        let mut frames = Frames::default();
        let answer = wire::receive::<Reply>(ours, &mut frames).map_err(failed)?;
        ours.set_read_timeout(None).map_err(failed)?;
        match answer {
            Some((Reply::Opened(Ok(())), _)) => Ok(frames),
            Some((Reply::Opened(Err(refusal)), _)) => Err(refused(refusal, specification)),
            Some((Reply::Started { .. } | Reply::Ended { .. }, _)) => Err(failed(std::io::Error::other("out of turn"))),
            None => Err(Error::SetUp("the supervisor ended before it answered; its launcher must call `supervise` before any thread is started".to_owned())),
        }
    }

    pub(crate) fn news(&self) -> Arc<News> {
        Arc::clone(&self.news)
    }

    pub(crate) fn start(&self, mut exec: Exec) -> Result<Outcome, Error> {
        let stdin = std::mem::take(&mut exec.stdin);
        let call = self.news.next_call();
        let id = exec.id.clone();
        self.send(&Request::Start { call, exec }, &stdin)?;
        let outcome = self.news.outcome_of(call).ok_or(Error::Gone)?;
        outcome.map_err(|reason| Error::NotStarted { id, reason })
    }

    pub(crate) fn kill(&self, id: &ExecId) -> Result<(), Error> {
        self.send(&Request::Kill { id: id.clone() }, &[])
    }

    fn send(&self, request: &Request, body: &[u8]) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send(&mut *writer, request, body).map_err(|_| Error::Gone)
    }
}

impl Drop for Connection {
    /// Hangs up and returns when the supervisor, and with it everything inside, is gone.
    fn drop(&mut self) {
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = writer.shutdown(Shutdown::Write);
        self.news.wait_until_gone(ENDING);
        let supervisor = self.supervisor.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = supervisor.kill();
        let _ = supervisor.wait();
    }
}

impl News {
    fn listen(&self, mut reader: UnixStream, mut frames: Frames) {
        while let Ok(Some((reply, _))) = wire::receive::<Reply>(&mut reader, &mut frames) {
            let mut state = self.lock();
            match reply {
                Reply::Started { call, outcome } => {
                    state.outcomes.insert(call, outcome);
                }
                Reply::Ended { run, ending } => {
                    state.endings.insert(run, ending);
                }
                // Said once, before this thread began.
                Reply::Opened(_) => {}
            }
            self.changed.notify_all();
        }
        self.lock().gone = true;
        self.changed.notify_all();
    }

    /// Waits for the end of a run; `None` when the supervisor went first.
    pub(crate) fn ending_of(&self, run: u64) -> Option<Ending> {
        let waiting = |state: &mut State| !state.gone && !state.endings.contains_key(&run);
        let state = self.changed.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        state.endings.get(&run).cloned()
    }

    /// The same for a limited time; the outer `None` says that it passed.
    pub(crate) fn ending_within(&self, run: u64, time: Duration) -> Option<Option<Ending>> {
        let waiting = |state: &mut State| !state.gone && !state.endings.contains_key(&run);
        let (state, passed) =
            self.changed.wait_timeout_while(self.lock(), time, waiting).unwrap_or_else(PoisonError::into_inner);
        if passed.timed_out() { None } else { Some(state.endings.get(&run).cloned()) }
    }

    fn next_call(&self) -> u64 {
        let mut state = self.lock();
        state.calls += 1;
        state.calls
    }

    fn outcome_of(&self, call: u64) -> Option<Result<Outcome, String>> {
        let waiting = |state: &mut State| !state.gone && !state.outcomes.contains_key(&call);
        let mut state = self.changed.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        state.outcomes.remove(&call)
    }

    fn wait_until_gone(&self, time: Duration) {
        let _ = self.changed.wait_timeout_while(self.lock(), time, |state| !state.gone);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(refusal: Refusal, specification: &Specification) -> Error {
    match refusal {
        Refusal::InUse => Error::InUse { directory: specification.directory.clone() },
        Refusal::Lacking { part, detail } => Error::Lacking { part, detail, remedy: part.remedy().to_owned() },
        Refusal::Other(detail) => Error::SetUp(detail),
    }
}
