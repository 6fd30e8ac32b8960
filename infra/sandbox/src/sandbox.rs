use std::fmt;
use std::path::{Path, PathBuf};

use crate::connection::Connection;
use crate::layout::Layout;
use crate::removal::remove_directory;
use crate::specification::{Launcher, Specification};
use crate::spool::{Spool, Stream};
use crate::{Attached, Error, Exec, ExecId};

/// An open sandbox. Dropping it kills what runs inside and keeps the directory, which can be opened again.
pub struct Sandbox {
    directory: PathBuf,
    layout: Layout,
    spool: Spool,
    connection: Connection,
}

impl Sandbox {
    /// Makes or reopens a sandbox and starts its supervisor. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a specification that cannot be met, [`Error::Lacking`] when the machine cannot do what the mode
    /// needs, [`Error::InUse`] while another supervisor has the directory, [`Error::SetUp`] otherwise.
    pub fn open(launcher: &Launcher, specification: &Specification) -> Result<Self, Error> {
        specification.check()?;
        let connection = Connection::open(launcher, specification)?;
        let directory = specification.directory.clone();
        let outputs = Layout::on_host(&directory, Vec::new()).outputs;
        Ok(Self {
            directory,
            layout: Layout::new(specification),
            spool: Spool::new(outputs, None, specification.record),
            connection,
        })
    }

    /// Where things are, as commands see them.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The sandbox's directory on the host.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs a command unless its id is known; then joins it, or tells how it ended. At most one call ever starts it, over
    /// any number of callers, handles and crashes; only a command that was never reached can be tried again.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a command that cannot be expressed, [`Error::NotStarted`] when the spool cannot be written,
    /// [`Error::Gone`] when the supervisor is gone: open the directory again and ask there.
    pub fn start_or_attach(&self, exec: Exec) -> Result<Attached, Error> {
        exec.check()?;
        let id = exec.id.clone();
        let outcome = self.connection.start(exec)?;
        Ok(Attached::new(id, outcome, self.connection.news(), self.spool.clone()))
    }

    /// Ends an exec: SIGTERM to its main process's group, SIGKILL to everything after the grace period. Returns at once; nothing
    /// happens to an exec that is not running.
    pub fn kill(&self, id: &ExecId) -> Result<(), Error> {
        self.connection.kill(id)
    }

    /// At most `limit` bytes from the kept start of a stream; also while the exec runs. Empty at the end, and for an
    /// unknown exec.
    pub fn read(&self, id: &ExecId, stream: Stream, offset: u64, limit: usize) -> Result<Vec<u8>, Error> {
        self.spool.read(id, stream, offset, limit).map_err(Error::io(format!("reading the output of {id}")))
    }

    /// The kept end of a stream that was longer than its kept start, once the exec has ended.
    pub fn tail(&self, id: &ExecId, stream: Stream) -> Result<Vec<u8>, Error> {
        self.spool.tail(id, stream).map_err(Error::io(format!("reading the output of {id}")))
    }

    /// Kills everything inside and removes the directory.
    pub fn terminate(self) -> Result<(), Error> {
        let Self { directory, connection, .. } = self;
        drop(connection);
        remove_directory(&directory)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sandbox").field("directory", &self.directory).finish_non_exhaustive()
    }
}
