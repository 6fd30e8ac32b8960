//! Sandboxes on this machine: a directory each, and while it is in use a supervisor, which is this program once more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{
    ByteConnection, Clock as _, ListedSandbox, NetworkRequest, Sandbox, SandboxError, SandboxSpec, Sandboxes,
    SealedHandle,
};
use domain::{Dependency, Network, SandboxId, SessionId, Unavailable};
use egress::{Internet, Proxy, RequestLog};
use sandbox::{Mode, Mount, Specification, Survives};
use supervisor::{Launcher, Order, StartError, Tether};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use self::metadata::Metadata;
use crate::WallClock;
use crate::network::Networks;
use crate::settings::CommandLimits;
use crate::toolchains::Toolchains;

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
    toolchains: Toolchains,
    networks: Networks,
    limits: CommandLimits,
    /// The supervisors that this process has started.
    started: Mutex<BTreeMap<SandboxId, Started>>,
}

/// A supervisor, and the proxy of its sandbox.
struct Started {
    tether: Tether,
    /// Ends when it is dropped.
    _proxy: JoinSet<Infallible>,
}

impl LocalSandboxes {
    /// `program` is the file of this program, which is also the supervisor.
    pub fn new(
        directory: PathBuf,
        program: PathBuf,
        mode: Mode,
        toolchains: Toolchains,
        networks: Networks,
        limits: CommandLimits,
    ) -> Self {
        Self { directory, program, mode, toolchains, networks, limits, started: Mutex::default() }
    }

    /// What its networks are made from.
    pub fn networks(&self) -> &Networks {
        &self.networks
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
        let other = |error: &dyn std::fmt::Display| StartError::Other(format!("{error:#}"));
        let mut specification = Specification::new(self.directory_of(id));
        // Its records need not survive a power failure: the workspace does not either, and is rebuilt from the checkpoint.
        specification.record = Survives::Crash;
        specification.mode = self.mode;
        specification.limits = self.limits.each.clone();
        specification.totals = self.limits.together.clone();
        if let Some(memory) = metadata.memory_bytes {
            specification.totals.memory_bytes = Some(memory);
        }
        let source = metadata.source.clone();
        specification.mounts.extend(source.map(|source| Mount { source, target: SOURCE.into() }));
        let access = self.networks.access(metadata.network).await.map_err(|error| other(&error))?;
        if let Some(access) = &access {
            specification.network = sandbox::Network::Proxy;
            specification.environment.extend(access.variables.iter().cloned());
            specification.mounts.extend(access.mount.clone());
        }
        self.toolchains.show(&mut specification, metadata.shows_toolchains);
        let mut order = Order::new(specification);
        order.source = metadata.source.as_ref().map(|_| PathBuf::from(SOURCE));
        order.lifetime = Some(metadata.time_left(WallClock.now()));
        let launcher = Self::launcher(&self.program);
        let failed = |error: Unavailable| StartError::Other(error.to_string());
        let mut tether = blocking(move || supervisor::start(&launcher, &order)).await.map_err(failed)??;
        let mut proxy = JoinSet::new();
        if let (Some(access), Some(listener)) = (access, tether.take_listener()) {
            let served = || -> io::Result<(Proxy, TcpListener)> {
                listener.set_nonblocking(true)?;
                let log = RequestLog::open(&metadata::request_log_of(&self.directory_of(id)))?;
                Ok((Proxy::new(access.policy, Arc::new(Internet), log), TcpListener::from_std(listener)?))
            };
            let (served, listener) = served().map_err(|error| other(&error))?;
            proxy.spawn(served.serve(listener));
        }
        // What it replaces is that of a supervisor that has died: a living one has the directory, and this one was not started. Only
        // now is it known to be dead; another caller may have started it since this one could not connect.
        let last = self.started().insert(id.clone(), Started { tether, _proxy: proxy });
        blocking(move || drop(last)).await.map_err(failed)
    }

    fn started(&self) -> std::sync::MutexGuard<'_, BTreeMap<SandboxId, Started>> {
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
        if let (Mode::Reduced, Network::Registries | Network::Open) = (self.mode, spec.network) {
            let message = "the reduced mode has no network: without namespaces no wall tells a registry from the machine itself. Choose \
                           the network none, or run `backspace doctor` to see what the isolated mode lacks";
            return Err(SandboxError::Impossible(message.to_owned()));
        }
        if spec.resources.processors.is_some() || spec.image.is_some() {
            let message = "a local sandbox has neither an image nor a limit on processors of its own";
            return Err(SandboxError::Impossible(message.to_owned()));
        }
        let id = id_of(spec).map_err(unavailable)?;
        let directory = self.directory_of(&id);
        let write = || -> io::Result<()> {
            std::fs::create_dir_all(&self.directory)?;
            let shows_toolchains = self.toolchains.are_shown_to(&spec.owner);
            Metadata::new(spec, shows_toolchains, WallClock.now()).create(&directory)
        };
        write().map_err(unavailable)?;
        self.reach(&id).await?;
        let reduced = match self.mode {
            Mode::Isolated => None,
            Mode::Reduced => Some(
                "reduced containment: Landlock, seccomp and resource limits, but no namespaces; commands see the \
                 machine's processes, may read its system directories, and may change mode, owner and times of files that \
                 their user owns"
                    .to_owned(),
            ),
        };
        Ok(Sandbox { id, handle: SealedHandle::default(), reduced })
    }

    /// The id is enough: the directory is named after it.
    async fn connect(&self, id: &SandboxId, _handle: &SealedHandle) -> Result<Box<dyn ByteConnection>, SandboxError> {
        Ok(Box::new(self.reach(id).await?.compat()))
    }

    async fn network_requests(&self, id: &SandboxId, skip: u32) -> Result<Vec<NetworkRequest>, SandboxError> {
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let entries = egress::entries(&metadata::request_log_of(&self.directory_of(id)), skip).map_err(unavailable)?;
        let requests = entries.into_iter().map(|entry| NetworkRequest {
            host: entry.target.host().to_owned(),
            port: entry.target.port(),
            refused: entry.refused.map(|refusal| refusal.to_string()),
        });
        Ok(requests.collect())
    }

    async fn list(&self, session: Option<&SessionId>) -> Result<Vec<ListedSandbox>, SandboxError> {
        let ids = self.ids().map_err(unavailable)?;
        let listed = ids.into_iter().filter_map(|id| Some(ListedSandbox { session: session_of(&id)?, id }));
        Ok(listed.filter(|listed| session.is_none_or(|session| listed.session == *session)).collect())
    }

    async fn terminate(&self, id: &SandboxId) -> Result<(), SandboxError> {
        let started = self.started().remove(id);
        let directory = self.directory_of(id);
        let removed = blocking(move || {
            drop(started.map(|started| started.tether));
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
