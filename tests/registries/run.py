"""Sessions on repositories with a dependency from a registry: each runs its own tests out of the box with --network registries.

As root and as an ordinary user, for whom a home is laid out with the toolchains of root's. What this machine lacks is not run, and
said so; it never counts as passed.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "target/debug/backspace"
ORDINARY_USER = 12345  # no account; any id that owns nothing will do

REPOSITORIES = {
    "rust": {
        "needs": "cargo",
        "test": "cargo test",
        "files": {
            "Cargo.toml": '[package]\nname = "probe"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\nitoa = "1"\n',
            "src/lib.rs": "pub fn show(number: u32) -> String {\n    itoa::Buffer::new().format(number).to_owned()\n}\n\n"
            '#[test]\nfn it_shows() {\n    assert_eq!(show(7), "7");\n}\n',
            ".gitignore": "target\n",
        },
    },
    "node": {
        "needs": "npm",
        "test": "npm test",
        "files": {
            "package.json": json.dumps(
                {"name": "probe", "version": "1.0.0", "scripts": {"test": "node test.js"}, "dependencies": {"is-number": "^7.0.0"}}
            ),
            "test.js": "if (!require('is-number')(5)) process.exit(1);\nconsole.log('tested');\n",
            ".gitignore": "node_modules\n",
        },
    },
    "python": {
        "needs": "pip",
        "test": "pytest",
        "files": {
            "requirements.txt": "six\npytest\n",
            "tests/test_it.py": "import six\n\n\ndef test_it():\n    assert six.PY3\n",
            ".gitignore": "__pycache__\n.pytest_cache\n",
        },
    },
    "go": {
        "needs": "go",
        "test": "go test ./...",
        "files": {
            "go.mod": "module probe\n\ngo 1.17\n\nrequire rsc.io/quote v1.5.2\n",
            "probe_test.go": 'package probe\n\nimport (\n\t"testing"\n\n\t"rsc.io/quote"\n)\n\n'
            'func TestIt(t *testing.T) {\n\tif quote.Go() == "" {\n\t\tt.Fatal("empty")\n\t}\n}\n',
        },
    },
}

PLAN = {
    "title": "Add a note",
    "summary": "A note is added.",
    "steps": ["Add it.", "Run the tests."],
    "files": ["NOTE"],
    "risks": [],
    "projectType": "general",
    "confidence": {"value": 0.9, "reason": "It is small."},
    "decisions": [],
    "question": None,
}


def script(test):
    bash = lambda command: {"text": "Working.", "tools": [{"name": "bash", "input": {"command": command}}]}
    return {"plan": PLAN, "turns": [bash("echo note > NOTE"), bash(test), {"text": "A note was added."}]}


class User:
    """Who runs the program, with a place of their own."""

    def __init__(self, name, place, home, identity=None):
        self.name, self.place, self.home, self.identity = name, place, home, identity

    def run(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "BACKSPACE_"))}
        environment |= {"BACKSPACE_HOME": str(self.place / "data")}
        if self.identity is not None:
            path = f"{self.home}/.cargo/bin:/usr/local/bin:/usr/bin:/bin"
            kept = ("SSL_", "CURL_", "REQUESTS_", "NODE_EXTRA", "LANG")
            environment = {name: value for name, value in environment.items() if name.startswith(kept + ("BACKSPACE_",))}
            environment |= {"HOME": str(self.home), "PATH": path}
        return subprocess.run(
            [str(self.place / "backspace"), "--json", *map(str, arguments)],
            env=environment,
            user=self.identity,
            group=self.identity,
            extra_groups=None if self.identity is None else [],
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=600,
        )


def values(run):
    return [json.loads(line) for line in run.stdout.splitlines()]


def of_kind(events, kind):
    return [event for event in events if event.get("kind") == kind]


def session(user, kind, repository):
    """Runs a session, and answers what is wrong with it."""
    place = user.place / kind
    for name, content in repository["files"].items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", "-C", str(place)]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        subprocess.run([*git, *arguments], check=True)
    played = user.place / f"{kind}.json"
    played.write_text(json.dumps(script(repository["test"])))
    if user.identity is not None:
        subprocess.run(["chown", "-R", f"{user.identity}:{user.identity}", place], check=True)
    ran = user.run("code", place, "Add a note.", "--script", played, "--network", "registries")
    if ran.returncode != 0:
        return f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    events = values(ran)
    problems = []
    finished = of_kind(events, "setup.finished")
    if [event["outcome"] for event in finished] != ["succeeded"]:
        problems.append(f"the set-up did not succeed: {finished}")
    if not of_kind(events, "network.allowed"):
        problems.append("no host was reached through the proxy")
    if of_kind(events, "network.refused"):
        problems.append(f"refused: {of_kind(events, 'network.refused')}")
    results = of_kind(events, "tool.result")
    if any(result["outcome"] != "ok" for result in results):
        problems.append(f"a command failed: {[result['output'] for result in results]}")
    changed = sorted({event["path"] for event in of_kind(events, "file.changed")})
    if changed != ["NOTE"]:
        problems.append(f"changed: {changed}")
    opened = of_kind(events, "pr.opened")
    if len(opened) != 1 or opened[0].get("draft"):
        problems.append(f"the pull request is not ready: {opened}")
    return "\n".join(problems)


def programs(user):
    """The names of those that commands in a sandbox of this user can run."""
    return {value["name"] for value in values(user.run("doctor")) if value.get("works") and value.get("path")}


def judge(user):
    """Answers how many sessions passed, failed, and were not run."""
    shutil.copy(PROGRAM, user.place / "backspace")
    if user.identity is not None:
        subprocess.run(["chown", "-R", f"{user.identity}:{user.identity}", user.place], check=True)
    recorded = user.run("doctor", "--network")
    reached = {value["name"] for value in values(recorded) if value.get("hosts") and not value.get("problem")}
    print(f"{user.name}: package managers that reach their registry: {', '.join(sorted(reached)) or 'none'}", flush=True)
    present = programs(user)
    counts = {"passed": 0, "failed": 0, "not run": 0}
    for kind, repository in REPOSITORIES.items():
        needs = repository["needs"]
        registry = {"npm": "npm", "pip": "pip", "cargo": "cargo", "go": "go"}[needs]
        if needs not in present or registry not in reached:
            why = f"there is no {needs} in the sandbox" if needs not in present else f"{needs} does not reach its registry"
            print(f"{user.name}: {kind}: NOT RUN: {why}", flush=True)
            counts["not run"] += 1
            continue
        problem = session(user, kind, repository)
        print(f"{user.name}: {kind}: {'FAILED: ' + problem if problem else 'passed'}", flush=True)
        counts["failed" if problem else "passed"] += 1
    return counts


def lay_out(home):
    """A home with the toolchains of the user that runs this: linked, not copied, where the file system allows it."""
    own = pathlib.Path.home()
    for name in (".cargo/bin", ".rustup/toolchains", ".rustup/settings.toml", ".rustup/update-hashes"):
        source = own / name
        if source.exists():
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if subprocess.run(["cp", "-al", source, target], capture_output=True).returncode != 0:
                subprocess.run(["cp", "-a", source, target], check=True)


def main():
    totals = {}
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="backspace-registries-") as place:
        totals["root" if is_root else "the user"] = judge(User("root" if is_root else "user", pathlib.Path(place), pathlib.Path.home()))
    if is_root:
        # Not below /tmp, which every sandbox has of its own: nothing could be shown there at its own path.
        with tempfile.TemporaryDirectory(prefix="backspace-registries-", dir="/opt") as place:
            place = pathlib.Path(place)
            os.chmod(place, 0o755)
            home = place / "home"
            home.mkdir()
            lay_out(home)
            work = place / "work"
            work.mkdir()
            totals["an ordinary user"] = judge(User("ordinary user", work, home, ORDINARY_USER))
    for name, counts in totals.items():
        print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    passed = sum(counts["passed"] for counts in totals.values())
    sys.exit(0 if passed and not any(counts["failed"] for counts in totals.values()) else 1)


main()
