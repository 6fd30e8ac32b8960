//! What every scenario starts from: an empty directory and a way to open a sandbox in it.

use std::fs;
use std::net::TcpListener;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sandbox::{Mode, Specification};
use sandbox_protocol::{
    ByteRange, Client, ClientError, Exec, Exit, ExitStatus, Layout, Listed, Program, Progress, Started, Stream,
};
use supervisor::{Launcher, Order, Tether};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// More than any wait takes.
pub(crate) const LONG: Duration = Duration::from_secs(100);

pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) root: TempDir,
    execs: AtomicU64,
}

/// A sandbox with a connection to its supervisor.
pub(crate) struct Sandbox {
    directory: PathBuf,
    tether: Tether,
    connection: Connection,
}

pub(crate) struct Connection {
    // Goes first: it is registered with the runtime.
    client: Client<Compat<UnixStream>>,
    runtime: Runtime,
}

impl World {
    pub(crate) fn new(mode: Mode) -> Self {
        let root = tempfile::Builder::new().prefix("sandbox-world").tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { mode, root, execs: AtomicU64::new(0) }
    }

    pub(crate) fn specification(&self) -> Specification {
        Specification { mode: self.mode, ..Specification::new(self.root.path().join("sandbox")) }
    }

    pub(crate) fn order(&self) -> Order {
        Order::new(self.specification())
    }

    pub(crate) fn open(&self) -> Sandbox {
        Sandbox::open(&self.order())
    }

    /// A new exec of a shell script.
    pub(crate) fn script(&self, script: &str) -> Exec {
        let number = self.execs.fetch_add(1, Ordering::Relaxed);
        command(format!("exec-{number}"), &["bash", "-c", script])
    }

    /// The id of the script that was run last.
    pub(crate) fn last_exec(&self) -> String {
        format!("exec-{}", self.execs.load(Ordering::Relaxed) - 1)
    }

    /// Runs a script to its end.
    pub(crate) fn run(&self, sandbox: &Sandbox, script: &str) -> Ran {
        sandbox.run(self.script(script), b"")
    }

    /// Starts a script that does something first, then opens a FIFO in the workspace and keeps it open in all its processes.
    /// Returns when that is open; reading it to its end is waiting for the last of the processes, without a clock.
    pub(crate) fn start_alive(&self, sandbox: &Sandbox, first: &str, script: &str) -> (String, fs::File) {
        assert!(self.run(sandbox, "rm -f alive; mkfifo alive").succeeded());
        let exec = self.script(&format!("{first}; exec 9>alive; {script}"));
        let id = exec.id.clone();
        assert_eq!(sandbox.start(exec, b"").unwrap(), Started::New);
        // Opening waits for the script's end of the FIFO.
        let alive = fs::File::open(sandbox.directory().join("workspace/alive")).unwrap();
        (id, alive)
    }

    /// Whatever a scenario did, no process and no mount may refer to its directory. What was killed may still be dying; what does not die
    /// is a failure, by the patience that a scenario has.
    pub(crate) fn assert_nothing_is_left(&self) {
        while let Some(left) = self.left() {
            println!("waiting for {left} to be gone");
        }
        assert_eq!(supervisors(), Vec::<i32>::new());
    }

    fn left(&self) -> Option<String> {
        let needle = self.root.path().to_str().unwrap();
        fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
            let mounts = fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
            let directory = fs::read_link(process.path().join("cwd")).unwrap_or_else(|_| PathBuf::from("/"));
            let is_left = mounts.contains(needle) || directory.starts_with(needle);
            is_left.then(|| format!("{:?}", process.path()))
        })
    }
}

impl Sandbox {
    pub(crate) fn open(order: &Order) -> Self {
        let tether = supervisor::start(&launcher(), order).unwrap();
        let directory = order.specification.directory.clone();
        Self { connection: Connection::new(&directory), tether, directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn take_listener(&mut self) -> Option<TcpListener> {
        self.tether.take_listener()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::new(&self.directory)
    }

    /// Leaves the supervisor without its client.
    pub(crate) fn hang_up(self) -> Tether {
        self.tether
    }

    /// Ends everything and removes the directory.
    pub(crate) fn terminate(self) {
        drop(self.tether);
        sandbox::remove_directory(&self.directory).unwrap();
    }
}

impl Deref for Sandbox {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Connection {
    pub(crate) fn new(directory: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let stream = supervisor::connect(directory).unwrap();
        stream.set_nonblocking(true).unwrap();
        let client =
            runtime.block_on(async { Client::connect(UnixStream::from_std(stream).unwrap().compat()).await }).unwrap();
        Self { client, runtime }
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.client.layout()
    }

    pub(crate) fn start(&self, exec: Exec, input: &[u8]) -> Result<Started, ClientError> {
        self.runtime.block_on(self.client.start(exec, input))
    }

    pub(crate) fn wait(&self, exec: &str) -> Progress {
        self.wait_for(exec, LONG).unwrap()
    }

    pub(crate) fn wait_for(&self, exec: &str, at_most: Duration) -> Result<Progress, ClientError> {
        self.runtime.block_on(self.client.wait(exec, at_most, 0)).map(|(progress, _)| progress)
    }

    pub(crate) fn exit(&self, exec: &str) -> Exit {
        match self.wait(exec) {
            Progress::Finished(exit) => exit,
            other => panic!("{exec}: {other:?}"),
        }
    }

    /// To its end, with its output.
    pub(crate) fn run(&self, exec: Exec, input: &[u8]) -> Ran {
        let id = exec.id.clone();
        let (progress, stdout) = self.runtime.block_on(self.client.run(exec, input, LONG, 1 << 20)).unwrap();
        let Progress::Finished(exit) = progress else { panic!("{id}: {progress:?}") };
        let stderr = self.output(&id, Stream::Stderr, ByteRange::From(0, 1 << 20));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { exit, stdout: text(stdout), stderr: text(stderr) }
    }

    pub(crate) fn output(&self, exec: &str, stream: Stream, range: ByteRange) -> Vec<u8> {
        self.runtime.block_on(self.client.output(exec, stream, range)).unwrap()
    }

    pub(crate) fn kill(&self, exec: &str) {
        self.runtime.block_on(self.client.kill(exec)).unwrap();
    }

    pub(crate) fn list(&self) -> Vec<Listed> {
        self.runtime.block_on(self.client.list()).unwrap()
    }

    pub(crate) fn ask(
        &self,
        call: &toolbox::Call,
        at_most: Duration,
    ) -> Result<Result<toolbox::Answer, toolbox::Failure>, ClientError> {
        self.runtime.block_on(self.client.ask(call, at_most))
    }
}

pub(crate) fn command(id: impl Into<String>, argv: &[&str]) -> Exec {
    Exec::new(id, Program::Command(argv.iter().map(|argument| (*argument).to_owned()).collect()))
}

pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn succeeded(&self) -> bool {
        self.exit.status == ExitStatus::Exited(0)
    }
}

pub(crate) fn launcher() -> Launcher {
    Launcher { program: std::env::current_exe().unwrap(), arguments: vec!["supervisor".into()] }
}

/// The supervisors that this process started and that still run.
pub(crate) fn supervisors() -> Vec<i32> {
    children(std::process::id().cast_signed())
}

pub(crate) fn children(process: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let children = tasks.flatten().flat_map(|task| {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        listed.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()).collect::<Vec<_>>()
    });
    children.collect()
}
