//! The local sandbox as the agent's port: one directory per sandbox, one supervisor process each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{
    ByteRange, Exec, ExecState, Exit, ExitStatus, Layout, Network, Program, Sandbox as Made, SandboxError, SandboxSpec,
    Sandboxes, Started, Stderr, Stream,
};
use domain::{Dependency, ExecId, SandboxId, Unavailable};
use sandbox::{Attached, Found, Launcher, Limits, Mode, Mount, Sandbox, Specification, Survives};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

/// Where the toolbox is inside.
const TOOLBOX: &str = "/opt/backspace/toolbox";

/// Where the repository to clone is inside.
const SOURCE: &str = "/source";

/// How long one look at a command's end takes at most.
const SLICE: Duration = Duration::from_millis(500);

/// Sandboxes below a directory.
pub struct LocalSandboxes {
    directory: PathBuf,
    program: PathBuf,
    mode: Mode,
    path: Vec<PathBuf>,
    open: Mutex<HashMap<SandboxId, Arc<Sandbox>>>,
    running: Mutex<HashMap<(SandboxId, ExecId), Arc<Attached>>>,
}

impl LocalSandboxes {
    /// Sandboxes below `directory`; `program` is this program, which is also supervisor and toolbox.
    pub fn new(directory: PathBuf, program: PathBuf, mode: Mode, path: Vec<PathBuf>) -> Self {
        Self { directory, program, mode, path, open: Mutex::default(), running: Mutex::default() }
    }

    /// How to start the supervisor.
    pub fn launcher(program: &Path) -> Launcher {
        Launcher { program: program.to_owned(), arguments: vec![crate::roles::SUPERVISOR.into()] }
    }

    /// The sandboxes that have a directory.
    pub(crate) fn kept(&self) -> std::io::Result<Vec<SandboxId>> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut kept = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir()
                && let Ok(id) = entry.file_name().to_string_lossy().parse()
            {
                kept.push(id);
            }
        }
        Ok(kept)
    }

    fn directory_of(&self, id: &SandboxId) -> PathBuf {
        self.directory.join(id.as_str())
    }

    fn opened(&self, id: &SandboxId) -> Option<Arc<Sandbox>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone)
    }

    /// The sandbox, opened again when this process has not opened it.
    async fn find(&self, id: &SandboxId) -> Result<Arc<Sandbox>, SandboxError> {
        if let Some(open) = self.opened(id) {
            return Ok(open);
        }
        let directory = self.directory_of(id);
        if !directory.is_dir() {
            return Err(SandboxError::Lost(format!("{} does not exist", directory.display())));
        }
        let note = std::fs::read(note_file(&directory)).ok().and_then(|note| serde_json::from_slice(&note).ok());
        let note: Note = note.ok_or_else(|| SandboxError::Lost("its note is missing".to_owned()))?;
        if note.boot != boot() {
            return Err(SandboxError::Lost("the machine was started again since".to_owned()));
        }
        self.open(id, note.source).await
    }

    async fn open(&self, id: &SandboxId, source: Option<PathBuf>) -> Result<Arc<Sandbox>, SandboxError> {
        let mut specification = Specification::new(self.directory_of(id));
        // What a power failure leaves of a workspace cannot be trusted either; the checkpoint can.
        specification.record = Survives::Crash;
        specification.mode = self.mode;
        specification.path.clone_from(&self.path);
        specification.mounts.push(Mount { source: self.program.clone(), target: TOOLBOX.into() });
        specification.mounts.extend(source.map(|source| Mount { source, target: SOURCE.into() }));
        let launcher = Self::launcher(&self.program);
        let opened = blocking(move || Sandbox::open(&launcher, &specification)).await?.map_err(failed)?;
        let opened = Arc::new(opened);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::clone(&opened));
        Ok(opened)
    }

    fn made(&self, id: &SandboxId, sandbox: &Sandbox) -> Made {
        let layout = sandbox.layout();
        let text = |path: &Path| path.display().to_string();
        Made {
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

    /// A failure with a sandbox whose supervisor is gone makes the next call open it again.
    fn forget_gone(&self, id: &SandboxId, error: sandbox::Error) -> SandboxError {
        if matches!(error, sandbox::Error::Gone) {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        failed(error)
    }
}

/// What is kept of a sandbox beside its directory, where nothing inside can change it.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// [`SandboxSpec::source`].
    source: Option<PathBuf>,
    /// The start of the machine in which it was made.
    boot: String,
}

fn note_file(directory: &Path) -> PathBuf {
    directory.with_extension("json")
}

/// Names this start of the machine.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unavailable> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Unavailable::new(Dependency::Sandboxes, error))
}

fn failed(error: sandbox::Error) -> SandboxError {
    match error {
        sandbox::Error::Lacking { .. } => SandboxError::Impossible(format!(
            "{error}. Run `backspace doctor` to see all that is missing; BACKSPACE_SANDBOX=reduced does with less isolation"
        )),
        sandbox::Error::Invalid(_) => SandboxError::Impossible(error.to_string()),
        sandbox::Error::InUse { .. }
        | sandbox::Error::SetUp(_)
        | sandbox::Error::NotStarted { .. }
        | sandbox::Error::CutOff { .. }
        | sandbox::Error::Gone
        | sandbox::Error::Io { .. } => Unavailable::new(Dependency::Sandboxes, error).into(),
    }
}

fn exit(exit: &sandbox::Exit) -> Exit {
    Exit {
        status: match exit.status {
            sandbox::Status::Exited(code) => ExitStatus::Exited(code),
            sandbox::Status::Signalled(signal) => ExitStatus::Signalled(signal),
            sandbox::Status::TimedOut => ExitStatus::TimedOut,
            sandbox::Status::Killed => ExitStatus::Killed,
        },
        stdout_bytes: exit.stdout.total_bytes,
        stderr_bytes: exit.stderr.total_bytes,
        background_ended: exit.background_ended,
        wall: exit.wall,
    }
}

fn exec_id(id: &ExecId) -> Result<sandbox::ExecId, SandboxError> {
    sandbox::ExecId::new(id.as_str()).map_err(failed)
}

fn stream(output: Stream) -> sandbox::Stream {
    match output {
        Stream::Stdout => sandbox::Stream::Stdout,
        Stream::Stderr => sandbox::Stream::Stderr,
    }
}

#[async_trait]
impl Sandboxes for LocalSandboxes {
    fn provider(&self) -> &'static str {
        "local"
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<Made, SandboxError> {
        match spec.network {
            Network::None => {}
        }
        let name = format!("{}-{}-{}", spec.session.as_str().to_lowercase(), spec.run, spec.generation);
        let id: SandboxId = name.parse().map_err(|error| Unavailable::new(Dependency::Sandboxes, error))?;
        if let Some(open) = self.opened(&id) {
            return Ok(self.made(&id, &open));
        }
        let directory = self.directory_of(&id);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.directory)?;
            let note = Note { source: spec.source.clone(), boot: boot() };
            std::fs::write(note_file(&directory), serde_json::to_vec(&note)?)
        };
        write().map_err(|error| Unavailable::new(Dependency::Sandboxes, error))?;
        let opened = self.open(&id, spec.source.clone()).await?;
        Ok(self.made(&id, &opened))
    }

    async fn attach(&self, id: &SandboxId) -> Result<Made, SandboxError> {
        let sandbox = self.find(id).await?;
        Ok(self.made(id, &sandbox))
    }

    async fn start(&self, id: &SandboxId, exec: &Exec) -> Result<Started, SandboxError> {
        let sandbox = self.find(id).await?;
        let layout = sandbox.layout();
        let mut command = sandbox::Exec::new(
            exec_id(&exec.id)?,
            match &exec.program {
                Program::Toolbox => {
                    vec![layout.inside(Path::new(TOOLBOX)).display().to_string(), crate::roles::TOOLBOX.to_owned()]
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
            blocking(move || sandbox.start_or_attach(command)).await?.map_err(|error| self.forget_gone(id, error))?;
        let started = match attached.found() {
            Found::NotStarted => Started::New,
            Found::Running => Started::Running,
            Found::CutOff => return Ok(Started::CutOff),
            Found::Finished => {
                let ended = attached.wait_timeout(Duration::ZERO).map_err(failed)?;
                return Ok(ended.map_or(Started::Running, |ended| Started::Finished(exit(&ended))));
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
            // In slices, so that a caller who goes away leaves no thread behind for long.
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let waited = Arc::clone(&attached);
            let state = match blocking(move || waited.wait_timeout(left.min(SLICE))).await? {
                Ok(None) if left > SLICE => continue,
                Ok(None) => return Ok(ExecState::Running),
                Ok(Some(ended)) => ExecState::Finished(exit(&ended)),
                Err(sandbox::Error::CutOff { .. }) => ExecState::CutOff,
                Err(error) => return Err(self.forget_gone(id, error)),
            };
            self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return Ok(state);
        }
    }

    async fn output(
        &self,
        id: &SandboxId,
        exec: &ExecId,
        output: Stream,
        part: ByteRange,
    ) -> Result<Vec<u8>, SandboxError> {
        let sandbox = self.find(id).await?;
        let exec = exec_id(exec)?;
        let stream = stream(output);
        match part {
            ByteRange::From(offset, length) => sandbox.read(&exec, stream, offset, length).map_err(failed),
            ByteRange::Last(length) => {
                let mut end = sandbox.tail(&exec, stream).map_err(failed)?;
                if end.len() < length {
                    end = last_of_kept(&sandbox, &exec, stream, length, end)?;
                }
                Ok(end.split_off(end.len().saturating_sub(length)))
            }
        }
    }

    async fn kill(&self, id: &SandboxId, exec: &ExecId) -> Result<(), SandboxError> {
        match self.opened(id) {
            Some(sandbox) => sandbox.kill(&exec_id(exec)?).map_err(failed),
            None => Ok(()),
        }
    }

    async fn terminate(&self, id: &SandboxId) -> Result<(), SandboxError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        drop(open);
        let directory = self.directory_of(id);
        let removed = blocking(move || {
            if let Err(error) = std::fs::remove_file(note_file(&directory))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(error = domain::error_chain(&error), "the note of a sandbox was not removed");
            }
            match directory.exists() {
                true => sandbox::remove_directory(&directory),
                false => Ok(()),
            }
        });
        removed.await?.map_err(failed)
    }
}

/// The end of what was kept of a stream from its start, before `tail`.
fn last_of_kept(
    sandbox: &Sandbox,
    exec: &sandbox::ExecId,
    stream: sandbox::Stream,
    length: usize,
    tail: Vec<u8>,
) -> Result<Vec<u8>, SandboxError> {
    const PIECE: usize = 1024 * 1024;
    let mut kept: Vec<u8> = Vec::new();
    let mut offset = 0;
    loop {
        let piece = sandbox.read(exec, stream, offset, PIECE).map_err(failed)?;
        if piece.is_empty() {
            break;
        }
        offset += piece.len() as u64;
        kept.extend(piece);
        kept = kept.split_off(kept.len().saturating_sub(length));
    }
    kept.extend(tail);
    Ok(kept)
}
