//! Sandboxes on this machine: a directory each, and while it is in use a supervisor, which is this program once more.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{
    ByteConnection, Clock as _, ListedSandbox, Network, Resources, Sandbox, SandboxError, SandboxSpec, Sandboxes,
    SealedHandle,
};
use domain::{Dependency, SandboxId, SessionId, Unavailable};
use sandbox::{Mode, Mount, Specification, Survives};
use supervisor::{Launcher, Order, StartError, Tether};
use tokio::net::UnixStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use self::metadata::Metadata;
use crate::WallClock;

mod metadata;

/// Where a sandbox sees the repository to clone from.
const SOURCE: &str = "/source";

/// A supervisor that is being started by another process, or that is ending, is tried again so many times.
const MAX_ATTEMPTS: u32 = 100;

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The local provider. A supervisor ends with the process that started it; the next process that connects starts another one in
/// the same directory, and what commands have left there is as it was.
pub struct LocalSandboxes {
    directory: PathBuf,
    program: PathBuf,
    mode: Mode,
    path: Vec<PathBuf>,
    /// The supervisors that this process has started.
    started: Mutex<BTreeMap<SandboxId, Tether>>,
}

impl LocalSandboxes {
    /// `program` is the file of this program, which is also the supervisor; `path` are directories with toolchains.
    pub fn new(directory: PathBuf, program: PathBuf, mode: Mode, path: Vec<PathBuf>) -> Self {
        Self { directory, program, mode, path, started: Mutex::default() }
    }

    /// The command line of the supervisor.
    pub fn launcher(program: &Path) -> Launcher {
        Launcher { program: program.to_owned(), arguments: vec![crate::reexec::SUPERVISOR.into()] }
    }

    fn directory_of(&self, id: &SandboxId) -> PathBuf {
        self.directory.join(id.as_str())
    }

    /// Connects to the supervisor, after starting one when there is none.
    async fn reach(&self, id: &SandboxId) -> Result<UnixStream, SandboxError> {
        let directory = self.directory_of(id);
        for attempt in 1..=MAX_ATTEMPTS {
            let metadata = Metadata::read(&directory)?;
            if let Some(ending) = supervisor::ended(&directory) {
                return Err(SandboxError::Lost(ending.to_string()));
            }
            if let Ok(connection) = supervisor::connect(&directory) {
                return connected(connection).map_err(unavailable);
            }
            match self.start(id, &metadata).await {
                Ok(()) => {}
                // Another process was faster, or the last supervisor is still ending.
                Err(StartError::InUse) if attempt < MAX_ATTEMPTS => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(sandbox_error(error)),
            }
        }
        Err(unavailable("its supervisor can be neither reached nor started"))
    }

    async fn start(&self, id: &SandboxId, metadata: &Metadata) -> Result<(), StartError> {
        let mut specification = Specification::new(self.directory_of(id));
        // Its records need not survive a power failure: the workspace does not either, and is rebuilt from the checkpoint.
        specification.record = Survives::Crash;
        specification.mode = self.mode;
        specification.path.clone_from(&self.path);
        let source = metadata.source.clone();
        specification.mounts.extend(source.map(|source| Mount { source, target: SOURCE.into() }));
        let mut order = Order::new(specification);
        order.source = metadata.source.as_ref().map(|_| PathBuf::from(SOURCE));
        order.lifetime = Some(metadata.time_left(WallClock.now()));
        let launcher = Self::launcher(&self.program);
        let failed = |error: Unavailable| StartError::Other(error.to_string());
        let tether = blocking(move || supervisor::start(&launcher, &order)).await.map_err(failed)??;
        // What it replaces is that of a supervisor that has died: a living one has the directory, and this one was not started. Only
        // now is it known to be dead; another caller may have started it since this one could not connect.
        let last = self.started().insert(id.clone(), tether);
        blocking(move || drop(last)).await.map_err(failed)
    }

    fn started(&self) -> std::sync::MutexGuard<'_, BTreeMap<SandboxId, Tether>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ids(&self) -> io::Result<Vec<SandboxId>> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir()
                && let Ok(id) = entry.file_name().to_string_lossy().parse()
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

#[async_trait]
impl Sandboxes for LocalSandboxes {
    fn provider(&self) -> &'static str {
        "local"
    }

    fn max_lifetime(&self) -> Duration {
        Duration::from_hours(24)
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<Sandbox, SandboxError> {
        match spec.network {
            Network::None => {}
        }
        if spec.resources != Resources::default() || spec.image.is_some() {
            let message = "a local sandbox has neither an image nor limits on processors and memory of its own";
            return Err(SandboxError::Impossible(message.to_owned()));
        }
        let id = id_of(spec).map_err(unavailable)?;
        let directory = self.directory_of(&id);
        let write = || -> io::Result<()> {
            std::fs::create_dir_all(&self.directory)?;
            Metadata::new(spec, WallClock.now()).create(&directory)
        };
        write().map_err(unavailable)?;
        self.reach(&id).await?;
        let reduced = match self.mode {
            Mode::Isolated => None,
            Mode::Reduced => Some(
                "reduced containment: Landlock, seccomp and resource limits, but no namespaces; commands see the \
                 machine's processes and may read its system directories"
                    .to_owned(),
            ),
        };
        Ok(Sandbox { id, handle: SealedHandle::default(), reduced })
    }

    /// The id is enough: the directory is named after it.
    async fn connect(&self, id: &SandboxId, _handle: &SealedHandle) -> Result<Box<dyn ByteConnection>, SandboxError> {
        Ok(Box::new(self.reach(id).await?.compat()))
    }

    async fn list(&self, session: Option<&SessionId>) -> Result<Vec<ListedSandbox>, SandboxError> {
        let ids = self.ids().map_err(unavailable)?;
        let listed = ids.into_iter().filter_map(|id| Some(ListedSandbox { session: session_of(&id)?, id }));
        Ok(listed.filter(|listed| session.is_none_or(|session| listed.session == *session)).collect())
    }

    async fn terminate(&self, id: &SandboxId) -> Result<(), SandboxError> {
        let tether = self.started().remove(id);
        let directory = self.directory_of(id);
        let removed = blocking(move || {
            drop(tether);
            Metadata::remove(&directory);
            match directory.exists() {
                true => supervisor::end(&directory)
                    .map_err(|error| error.to_string())
                    .and_then(|()| sandbox::remove_directory(&directory).map_err(|error| domain::error_chain(&error))),
                false => Ok(()),
            }
        });
        removed.await?.map_err(unavailable)
    }
}

/// `<session>-<run>-<generation>`, in lower case.
fn id_of(spec: &SandboxSpec) -> Result<SandboxId, domain::InvalidId> {
    format!("{}-{}-{}", spec.session.as_str().to_lowercase(), spec.run, spec.generation).parse()
}

fn session_of(id: &SandboxId) -> Option<SessionId> {
    id.as_str().split('-').next()?.to_uppercase().parse().ok()
}

fn connected(connection: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    connection.set_nonblocking(true)?;
    UnixStream::from_std(connection)
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SandboxError {
    Unavailable::new(Dependency::Sandboxes, error).into()
}

fn sandbox_error(error: StartError) -> SandboxError {
    match error {
        StartError::Lacking { .. } => SandboxError::Impossible(format!(
            "{error}. Run `backspace doctor` to see everything that is missing, or set BACKSPACE_SANDBOX=reduced to run with \
             less isolation"
        )),
        StartError::Invalid(_) => SandboxError::Impossible(error.to_string()),
        StartError::InUse | StartError::Other(_) => unavailable(error),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unavailable> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Unavailable::new(Dependency::Sandboxes, error))
}
