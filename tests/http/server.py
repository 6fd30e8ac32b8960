"""Starts the program as a server on a free port, with a scripted model, in a directory of its own."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]


def program() -> pathlib.Path:
    """The program: BACKSPACE_PROGRAM, or the debug build."""
    path = pathlib.Path(os.environ.get("BACKSPACE_PROGRAM", TOP / "target/debug/backspace")).absolute()
    if not path.exists():
        raise SystemExit(f"{path} is not built: cargo build --bin backspace")
    return path


def plan(title: str) -> dict:
    """A plan that the program accepts and that asks nothing."""
    return {
        "title": title, "summary": "Why and how.", "steps": ["Do it."], "files": [], "risks": [],
        "projectType": "general", "confidence": {"value": 0.8, "reason": "It is small."}, "decisions": [],
        "question": None,
    }


def bash(command: str, text: str = "Working on it.") -> dict:
    """A turn with one call of `bash`."""
    return {"text": text, "tools": [{"name": "bash", "input": {"command": command}}]}


def script(*turns: dict, end: str = "Changed what was asked for.") -> dict:
    """A script with a plan, these turns, and a last turn without tool calls."""
    return {"plan": plan("Change a file"), "turns": [*turns, {"text": end}]}


def streamed(frames: list[dict]) -> list[int]:
    """The ids of the events that a stream of an ended session shows: up to its end, but not the removal of the sandbox after it."""
    end = max(number for number, frame in enumerate(frames) if frame["kind"] == "run.finished")
    return [frame["id"] for frame in frames[: end + 1]]


class Server:
    """A running server: its port, its process, and a repository for its sessions."""

    def __init__(self, home: pathlib.Path, model_script: dict, environment: dict | None = None):
        self.home = home
        self.repository = home / "project"
        if not self.repository.exists():
            make_repository(self.repository, {"a.txt": "one\n", "b.txt": "two\n"})
        (home / "script.json").write_text(json.dumps(model_script))
        variables = {"PATH": os.environ["PATH"], "HOME": str(home), "BACKSPACE_HOME": str(home / "data"), **(environment or {})}
        command = [program(), "--json", "serve", "--listen", "127.0.0.1:0", "--script", home / "script.json"]
        self.errors = home / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=home)
        announced = json.loads(self.process.stdout.readline())
        self.address = announced["listening"]
        self.port = int(self.address.rsplit(":", 1)[1])

    def request(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, object]:
        """Sends a request with a JSON body and returns its status and JSON answer. Underscores in header names become hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Accept": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is not None:
            body, sent["Content-Type"] = json.dumps(body), "application/json"
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def begin(self, prompt: str = "Do it.", **more: object) -> str:
        """Starts a session and returns its id without waiting for it."""
        status, session = self.request("POST", "/code", {"repoUrl": str(self.repository), "prompt": prompt, **more})
        assert status == 202, (status, session)
        return session["id"]

    def wait(self, session: str) -> dict:
        """Reads a session's stream to its end; returns the final frame."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", f"/sessions/{session}/events")
        answer = connection.getresponse()
        last = {}
        for line in answer:
            if line.startswith(b"data: "):
                last = json.loads(line[6:])
        connection.close()
        return last

    def memory(self) -> float:
        """The server's resident memory, in MB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self) -> None:
        """Asks the server to end and fails when it exits with an error."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        errors = self.errors.read_text(errors="replace")
        assert code == 0, f"the server ended with {code}: {errors}"
        assert "panicked" not in errors, errors


def make_repository(path: pathlib.Path, files: dict[str, str]) -> None:
    """A repository with one commit."""
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_text(content)
    git = ["git", "-C", str(path), "-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    clean = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True, env=clean)
    subprocess.run([*git, "add", "--all"], check=True, env=clean)
    subprocess.run([*git, "commit", "--quiet", "--message=Begin"], check=True, env=clean)


@contextlib.contextmanager
def serve(model_script: dict, environment: dict | None = None):
    """Runs a server, and fails when it leaves processes behind."""
    with tempfile.TemporaryDirectory(prefix="backspace-http-") as directory:
        home = pathlib.Path(directory)
        server = Server(home, model_script, environment)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()
        left = [entry for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and belongs(entry, directory)]
        assert not left, f"processes were left behind: {left}"


def belongs(process: pathlib.Path, directory: str) -> bool:
    """Whether the command line of a process names a directory."""
    if process.name == str(os.getpid()):
        return False
    try:
        return directory.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False
