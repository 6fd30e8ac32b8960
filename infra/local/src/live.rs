//! Live text of replies: one file per session, so that viewers see it from any process. A session is driven by one process
//! (`backspace code` in a terminal) and may be watched through another (the console of a server that was started later).

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{LiveReply, LiveText};
use domain::{Dependency, SessionId, Unavailable};
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a viewer checks for text of other processes, which do not notify it.
const POLL: Duration = Duration::from_millis(100);

pub struct LiveDirectory {
    directory: PathBuf,
    /// Notified whenever this process changes a file.
    written: watch::Sender<()>,
}

impl LiveDirectory {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, written: watch::Sender::default() }
    }

    fn file(&self, session: &SessionId) -> PathBuf {
        self.directory.join(session.as_str())
    }

    /// A reply that is being written. Only the process that drives the session writes it.
    fn unfinished_file(&self, session: &SessionId) -> PathBuf {
        self.directory.join(format!("{session}.new"))
    }

    fn read(&self, session: &SessionId) -> io::Result<Option<LiveReply>> {
        match fs::read(self.file(session)) {
            // A reply in the form of another version of the program is not shown.
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, session: &SessionId, reply: &LiveReply) -> io::Result<()> {
        // A reader sees the whole reply or the one before it. Nothing is synced: after a crash of the machine nobody misses it.
        let new = self.unfinished_file(session);
        fs::write(&new, serde_json::to_vec(reply)?)?;
        fs::rename(&new, self.file(session))
    }
}

#[async_trait]
impl LiveText for LiveDirectory {
    async fn show(&self, session: &SessionId, reply: &LiveReply) -> Result<(), Unavailable> {
        self.write(session, reply).map_err(unavailable)?;
        self.written.send_replace(());
        Ok(())
    }

    async fn next(
        &self,
        session: &SessionId,
        seen: Option<&LiveReply>,
        timeout: Duration,
    ) -> Result<Option<LiveReply>, Unavailable> {
        let mut written = self.written.subscribe();
        let deadline = Instant::now() + timeout;
        loop {
            written.borrow_and_update();
            let reply = self.read(session).map_err(unavailable)?;
            if reply.as_ref() != seen || Instant::now() >= deadline {
                return Ok(reply);
            }
            let pause = deadline.min(Instant::now() + POLL);
            // Both ends of the pause, a write or the time-out, lead to the next check.
            let _ = tokio::time::timeout_at(pause, written.changed()).await;
        }
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        for file in [self.file(session), self.unfinished_file(session)] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unavailable(error)),
                Ok(()) | Err(_) => {}
            }
        }
        self.written.send_replace(());
        Ok(())
    }
}

fn unavailable(error: io::Error) -> Unavailable {
    Unavailable::new(Dependency::LiveText, error)
}
