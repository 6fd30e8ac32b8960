//! The port to sandboxes, over the local sandbox: one directory and one supervisor process per sandbox.

mod convert;
mod metadata;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{
    ByteRange, Exec, ExecState, Layout, Network, Program, Sandbox as SandboxHandle, SandboxError, SandboxSpec,
    Sandboxes, Started, Stderr, Stream,
};
use domain::{Dependency, ExecId, SandboxId, Unavailable};
use sandbox::{Attached, Found, Launcher, Limits, Mode, Mount, Sandbox, Specification, Survives};
use secrecy::ExposeSecret as _;

use convert::sandbox_error;
use metadata::Metadata;

/// Path of the toolbox inside a sandbox.
const TOOLBOX: &str = "/opt/backspace/toolbox";

/// Path inside a sandbox of the repository to clone.
const SOURCE: &str = "/source";

/// Maximum time that one blocking call waits for a command. The call occupies a thread also after its caller was dropped.
const WAIT_SLICE: Duration = Duration::from_millis(500);

/// Local sandboxes, each in a subdirectory.
pub struct LocalSandboxes {
    directory: PathBuf,
    program: PathBuf,
    mode: Mode,
    path: Vec<PathBuf>,
    open: Mutex<HashMap<SandboxId, Arc<Sandbox>>>,
    running: Mutex<HashMap<(SandboxId, ExecId), Arc<Attached>>>,
}

impl LocalSandboxes {
    /// `program` is the file of this program, which is also supervisor and toolbox; `path` are directories with toolchains.
    pub fn new(directory: PathBuf, program: PathBuf, mode: Mode, path: Vec<PathBuf>) -> Self {
        Self { directory, program, mode, path, open: Mutex::default(), running: Mutex::default() }
    }

    /// The command line of the supervisor.
    pub fn launcher(program: &Path) -> Launcher {
        Launcher { program: program.to_owned(), arguments: vec![crate::reexec::SUPERVISOR.into()] }
    }

    /// Every sandbox that has a directory, whichever process created it.
    pub(crate) fn list(&self) -> std::io::Result<Vec<SandboxId>> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
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

    fn directory_of(&self, id: &SandboxId) -> PathBuf {
        self.directory.join(id.as_str())
    }

    fn opened(&self, id: &SandboxId) -> Option<Arc<Sandbox>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone)
    }

    /// The sandbox, opened unless this process has it open.
    async fn find(&self, id: &SandboxId) -> Result<Arc<Sandbox>, SandboxError> {
        if let Some(open) = self.opened(id) {
            return Ok(open);
        }
        let directory = self.directory_of(id);
        if !directory.is_dir() {
            return Err(SandboxError::Lost(format!("{} does not exist", directory.display())));
        }
        let metadata = Metadata::read(&directory)?;
        self.open(id, metadata.source).await
    }

    async fn open(&self, id: &SandboxId, source: Option<PathBuf>) -> Result<Arc<Sandbox>, SandboxError> {
        let mut specification = Specification::new(self.directory_of(id));
        // Its records need not survive a power failure: the workspace does not either, and is rebuilt from the checkpoint.
        specification.record = Survives::Crash;
        specification.mode = self.mode;
        specification.path.clone_from(&self.path);
        specification.mounts.push(Mount { source: self.program.clone(), target: TOOLBOX.into() });
        specification.mounts.extend(source.map(|source| Mount { source, target: SOURCE.into() }));
        let launcher = Self::launcher(&self.program);
        let opened = blocking(move || Sandbox::open(&launcher, &specification)).await?.map_err(sandbox_error)?;
        let opened = Arc::new(opened);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::clone(&opened));
        Ok(opened)
    }

    fn handle(&self, id: &SandboxId, sandbox: &Sandbox) -> SandboxHandle {
        let layout = sandbox.layout();
        let text = |path: &Path| path.display().to_string();
        SandboxHandle {
            id: id.clone(),
            layout: Layout {
                workspace: text(&layout.workspace),
                state: text(&layout.state),
                outputs: text(&layout.outputs),
                source: text(&layout.inside(Path::new(SOURCE))),
                home: text(&layout.home),
            },
            reduced: match self.mode {
                Mode::Isolated => None,
                Mode::Reduced => Some(
                    "reduced containment: Landlock, seccomp and resource limits, but no namespaces; commands see the \
                     machine's processes and may read its system directories"
                        .to_owned(),
                ),
            },
        }
    }

    /// Converts an error. When the supervisor is gone, the next call opens the sandbox again.
    fn close_if_gone(&self, id: &SandboxId, error: sandbox::Error) -> SandboxError {
        if matches!(error, sandbox::Error::Gone) {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        sandbox_error(error)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unavailable> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Unavailable::new(Dependency::Sandboxes, error))
}

#[async_trait]
impl Sandboxes for LocalSandboxes {
    fn provider(&self) -> &'static str {
        "local"
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        match spec.network {
            Network::None => {}
        }
        let name = format!("{}-{}-{}", spec.session.as_str().to_lowercase(), spec.run, spec.generation);
        let id: SandboxId = name.parse().map_err(|error| Unavailable::new(Dependency::Sandboxes, error))?;
        if let Some(open) = self.opened(&id) {
            return Ok(self.handle(&id, &open));
        }
        let directory = self.directory_of(&id);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.directory)?;
            Metadata::new(spec.source.clone()).write(&directory)
        };
        write().map_err(|error| Unavailable::new(Dependency::Sandboxes, error))?;
        let opened = self.open(&id, spec.source.clone()).await?;
        Ok(self.handle(&id, &opened))
    }

    async fn attach(&self, id: &SandboxId) -> Result<SandboxHandle, SandboxError> {
        let sandbox = self.find(id).await?;
        Ok(self.handle(id, &sandbox))
    }

    async fn start(&self, id: &SandboxId, exec: &Exec) -> Result<Started, SandboxError> {
        let sandbox = self.find(id).await?;
        let layout = sandbox.layout();
        let mut command = sandbox::Exec::new(
            convert::exec_id(&exec.id)?,
            match &exec.program {
                Program::Toolbox => {
                    vec![layout.inside(Path::new(TOOLBOX)).display().to_string(), crate::reexec::TOOLBOX.to_owned()]
                }
                Program::Command(argv) => argv.clone(),
            },
        );
        command.stdin.clone_from(&exec.stdin);
        command.environment.clone_from(&exec.environment);
        command
            .environment
            .extend(exec.secrets.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())));
        command.working_directory = Some(PathBuf::from(&exec.directory));
        command.timeout = exec.timeout;
        command.output = match exec.stderr {
            Stderr::Separate => sandbox::Output::Separate,
            Stderr::Merged => sandbox::Output::Merged,
        };
        command.limits = Some(Limits { output_bytes: exec.kept_bytes, ..Limits::default() });
        let attached =
            blocking(move || sandbox.start_or_attach(command)).await?.map_err(|error| self.close_if_gone(id, error))?;
        let started = match attached.found() {
            Found::NotStarted => Started::New,
            Found::Running => Started::Running,
            Found::CutOff => return Ok(Started::CutOff),
            Found::Finished => {
                let ended = attached.wait_timeout(Duration::ZERO).map_err(sandbox_error)?;
                return Ok(ended.map_or(Started::Running, |ended| Started::Finished(convert::exit(&ended))));
            }
        };
        let key = (id.clone(), exec.id.clone());
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(attached));
        Ok(started)
    }

    async fn wait(&self, id: &SandboxId, exec: &ExecId, at_most: Duration) -> Result<ExecState, SandboxError> {
        let key = (id.clone(), exec.clone());
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone);
        let Some(attached) = running else {
            return Err(
                Unavailable::new(Dependency::Sandboxes, format!("{exec} was not started by this process")).into()
            );
        };
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let waited = Arc::clone(&attached);
            let state = match blocking(move || waited.wait_timeout(left.min(WAIT_SLICE))).await? {
                Ok(None) if left > WAIT_SLICE => continue,
                Ok(None) => return Ok(ExecState::Running),
                Ok(Some(ended)) => ExecState::Finished(convert::exit(&ended)),
                Err(sandbox::Error::CutOff { .. }) => ExecState::CutOff,
                Err(error) => return Err(self.close_if_gone(id, error)),
            };
            self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return Ok(state);
        }
    }

    async fn output(
        &self,
        id: &SandboxId,
        exec: &ExecId,
        stream: Stream,
        range: ByteRange,
    ) -> Result<Vec<u8>, SandboxError> {
        let sandbox = self.find(id).await?;
        let exec = convert::exec_id(exec)?;
        let stream = convert::stream(stream);
        match range {
            ByteRange::From(offset, length) => sandbox.read(&exec, stream, offset, length).map_err(sandbox_error),
            ByteRange::Last(length) => {
                let mut end = sandbox.tail(&exec, stream).map_err(sandbox_error)?;
                if end.len() < length {
                    end = end_of_spool(&sandbox, &exec, stream, length, end)?;
                }
                Ok(end.split_off(end.len().saturating_sub(length)))
            }
        }
    }

    async fn kill(&self, id: &SandboxId, exec: &ExecId) -> Result<(), SandboxError> {
        match self.opened(id) {
            Some(sandbox) => sandbox.kill(&convert::exec_id(exec)?).map_err(sandbox_error),
            None => Ok(()),
        }
    }

    async fn terminate(&self, id: &SandboxId) -> Result<(), SandboxError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        drop(open);
        let directory = self.directory_of(id);
        let removed = blocking(move || {
            Metadata::remove(&directory);
            match directory.exists() {
                true => sandbox::remove_directory(&directory),
                false => Ok(()),
            }
        });
        removed.await?.map_err(sandbox_error)
    }
}

/// The last bytes of a stream that is spooled up to a limit: the end of its spool, followed by `tail`.
fn end_of_spool(
    sandbox: &Sandbox,
    exec: &sandbox::ExecId,
    stream: sandbox::Stream,
    length: usize,
    tail: Vec<u8>,
) -> Result<Vec<u8>, SandboxError> {
    const CHUNK_BYTES: usize = 1024 * 1024;
    let mut end: Vec<u8> = Vec::new();
    let mut offset = 0;
    loop {
        let chunk = sandbox.read(exec, stream, offset, CHUNK_BYTES).map_err(sandbox_error)?;
        if chunk.is_empty() {
            break;
        }
        offset += chunk.len() as u64;
        end.extend(chunk);
        end = end.split_off(end.len().saturating_sub(length));
    }
    end.extend(tail);
    Ok(end)
}
