//! What every scenario starts from: an empty directory and a way to open a sandbox in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use sandbox::{Attached, Exec, ExecId, Exit, Launcher, Mode, Sandbox, Specification, Status, Stream};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) root: TempDir,
    execs: AtomicU64,
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

    pub(crate) fn open(&self) -> Sandbox {
        Sandbox::open(&launcher(), &self.specification()).unwrap()
    }

    /// A new exec of a shell script.
    pub(crate) fn script(&self, script: &str) -> Exec {
        let number = self.execs.fetch_add(1, Ordering::Relaxed);
        Exec::new(ExecId::new(format!("exec-{number}")).unwrap(), ["bash", "-c", script])
    }

    /// Runs a script to its end.
    pub(crate) fn run(&self, sandbox: &Sandbox, script: &str) -> Ran {
        self.run_exec(sandbox, self.script(script))
    }

    pub(crate) fn run_exec(&self, sandbox: &Sandbox, exec: Exec) -> Ran {
        let id = exec.id.clone();
        let exit = sandbox.start_or_attach(exec).unwrap().wait().unwrap();
        let text = |stream| String::from_utf8_lossy(&sandbox.read(&id, stream, 0, 1 << 20).unwrap()).into_owned();
        Ran { stdout: text(Stream::Stdout), stderr: text(Stream::Stderr), exit }
    }

    /// Starts a script that does something first, then opens a FIFO in the workspace and keeps it open in all its processes.
    /// Returns when that is open; reading it to its end is waiting for the last of the processes, without a clock.
    pub(crate) fn start_alive(&self, sandbox: &Sandbox, first: &str, script: &str) -> (Attached, fs::File) {
        assert!(self.run(sandbox, "rm -f alive; mkfifo alive").succeeded());
        let attached = sandbox.start_or_attach(self.script(&format!("{first}; exec 9>alive; {script}"))).unwrap();
        // Opening waits for the script's end of the FIFO.
        let alive = fs::File::open(sandbox.directory().join("workspace/alive")).unwrap();
        (attached, alive)
    }

    /// Whatever a scenario did, no process and no mount may refer to its directory.
    pub(crate) fn assert_nothing_is_left(&self) {
        let needle = self.root.path().to_str().unwrap();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let mounts = fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
            assert!(!mounts.contains(needle), "{:?} still has a mount", process.path());
            let directory = fs::read_link(process.path().join("cwd")).unwrap_or_else(|_| PathBuf::from("/"));
            assert!(!directory.starts_with(needle), "{:?} is still at work", process.path());
        }
        assert_eq!(supervisors(), Vec::<i32>::new());
    }
}

pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn succeeded(&self) -> bool {
        self.exit.status == Status::Exited(0)
    }
}

pub(crate) fn launcher() -> Launcher {
    Launcher { program: std::env::current_exe().unwrap(), arguments: vec!["sandbox-supervisor".into()] }
}

/// The supervisors that this process started and that still run.
pub(crate) fn supervisors() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks.flat_map(|task| {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        listed.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()).collect::<Vec<_>>()
    });
    children.collect()
}
