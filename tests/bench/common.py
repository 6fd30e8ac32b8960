"""What the benchmarks of whole sessions share: the bare script that a session is compared with, and how CPU and memory are counted."""

import contextlib
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = TESTS.parent / "target/release/backspace"
QUIET_GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
IDENTITY = ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid"]


def git(directory, *arguments):
    environment = {**os.environ, **QUIET_GIT}
    subprocess.run(["git", "-C", directory, *IDENTITY, *arguments], check=True, env=environment, capture_output=True)


class Group:
    """A control group, which counts the CPU time of every process started in it. The time of children that were waited for, the
    usual measure, misses the processes that end with a sandbox."""

    ROOT = pathlib.Path("/sys/fs/cgroup/cpuacct")

    def __init__(self):
        self.path = self.ROOT / f"backspace-bench-{os.getpid()}"
        try:
            self.path.mkdir()
        except OSError:
            self.path = None

    def join(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def leave(self):
        (self.ROOT / "cgroup.procs").write_text(str(os.getpid()))

    def seconds(self):
        if self.path:
            return int((self.path / "cpuacct.usage").read_text()) / 1e9
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def close(self):
        if self.path:
            self.path.rmdir()


GROUP = Group()


def measured(work):
    """Wall seconds, CPU seconds and result of `work`."""
    before = GROUP.seconds()
    start = time.perf_counter()
    result = work()
    wall = time.perf_counter() - start
    return wall, GROUP.seconds() - before, result


def run(command, environment):
    join = GROUP.join if GROUP.path else None
    return subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=join)


def bare_script(repository, directory):
    """Clone, branch, the script's commands, commit, all in one shell."""
    checkout = directory / "checkout"
    commands = (TESTS / "fixtures/scripts/web.commands.sh").read_text()
    script = f"""set -e
git clone --quiet --depth=50 --single-branch --no-tags 'file://{repository}' '{checkout}'
cd '{checkout}'
git checkout --quiet -b change
{commands}
git add --all
git -c user.name=Bench -c user.email=bench@example.invalid commit --quiet --message=Change
"""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory), **QUIET_GIT}
    ran = run(["sh", "-c", script], environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    shutil.rmtree(checkout)


@contextlib.contextmanager
def workplace(program=PROGRAM):
    """A directory for the benchmark, and in it the repository of the scripted session, with one commit."""
    if not program.exists():
        sys.exit(f"{program} is not built: cargo build --release --bin backspace")
    with tempfile.TemporaryDirectory() as directory:
        top = pathlib.Path(directory)
        yield top, web_repository(top)


def web_repository(top):
    repository = top / "web"
    shutil.copytree(TESTS / "fixtures/repositories/web", repository)
    git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=Begin")
    return repository


def family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found = [process]
    try:
        tasks = [task.read_text() for task in pathlib.Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:
        return found  # it has ended
    for child in " ".join(tasks).split():
        found.extend(family(int(child)))
    return found


def memory(process: int, file: str) -> tuple[float, float]:
    """Proportional memory of a process and of its supervisors, which run the same file, in MB: shared pages count once."""
    own, supervisors = 0.0, 0.0
    for member in family(process):
        try:
            if os.path.realpath(f"/proc/{member}/exe") != file:
                continue
            text = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        size = next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:"))
        if member == process:
            own += size
        else:
            supervisors += size
    return own, supervisors


class Peak:
    """Samples the memory until it is stopped."""

    def __init__(self, process: int, file: str, pause: float = 0.5):
        self.highest, self.parts, self.stopped = 0.0, (0.0, 0.0), threading.Event()
        self.thread = threading.Thread(target=self.sample, args=(process, file, pause))
        self.thread.start()

    def sample(self, process, file, pause):
        while not self.stopped.wait(pause):
            parts = memory(process, file)
            if sum(parts) > self.highest:
                self.highest, self.parts = sum(parts), parts

    def stop(self) -> str:
        self.stopped.set()
        self.thread.join()
        return f"{self.highest:.0f} MB at most (program {self.parts[0]:.0f}, supervisors {self.parts[1]:.0f})"
