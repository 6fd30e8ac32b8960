#!/usr/bin/env python3
"""200 turns with three tool calls each: cache reads, time to build a request, memory; compared with Anthropic's Python package.

Three measurements on this machine, one after the other:

1. The client alone against the stand-in (an example of this workspace): the share of cache reads among the tokens that are sent
   again, by the stand-in's accounting, and the time to build the body of turn 200.
2. The Python package with the same body and a transport that sends nothing: the time to build the request.
3. The release program in a session of 200 turns with sandbox, log and checkpoints, against the stand-in in another process: its
   peak resident memory.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
RELEASE = TESTS.parent / "target/release"
PYTHON = TESTS.parent / "target/judges/python/bin/python"
TURNS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
PLAN = {
    "title": "Count", "summary": "It is asked for.", "steps": ["Count."], "files": [], "risks": [], "projectType": "general",
    "confidence": {"value": 0.9, "reason": "It is small."}, "decisions": [], "question": None,
}
IN_PYTHON = """
import json, resource, statistics, sys, time
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import anthropic
body = json.load(open(sys.argv[1]))
# The HTTP library of the package, whose name depends on its version.
http = sys.modules.get("httpx2") or sys.modules["httpx"]

class Stop(Exception):
    pass

class Nothing(http.BaseTransport):
    def handle_request(self, request):
        self.bytes = len(request.content)
        raise Stop

transport = Nothing()
client = anthropic.Anthropic(api_key="key", base_url="http://127.0.0.1:1", max_retries=0,
                             http_client=anthropic.DefaultHttpxClient(transport=transport) if hasattr(anthropic, "DefaultHttpxClient") else http.Client(transport=transport))
stream = body.pop("stream")
times = []
for _ in range(40):
    start = time.perf_counter()
    try:
        client.messages.create(**body, stream=stream, timeout=60)
    except (Stop, anthropic.APIConnectionError):
        times.append((time.perf_counter() - start) * 1e3)
assert len(times) == 40 and transport.bytes > 500_000, (len(times), transport.bytes)
print(json.dumps({"version": anthropic.__version__, "median": statistics.median(times), "slowest": max(times),
                  "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def peak(command, environment):
    """Runs a program. Returns its output, its seconds, its peak memory in MB without that of its children, and its exit code."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.DEVNULL)
        highest = 0
        while child.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
                found = [line for line in status.splitlines() if line.startswith("VmHWM")]
                highest = max([highest, *[int(line.split()[1]) for line in found]])
            except (OSError, IndexError):
                pass
            time.sleep(0.01)
        out.seek(0)
        return out.read(), time.perf_counter() - start, highest / 1024, child.returncode


def session(directory):
    def command(turn, tool):
        return {"name": "bash", "input": {"command": f"seq {turn} {turn + 300}; echo {turn}.{tool} >> a.txt"}}

    turns = [{"thinking": "On.", "tools": [command(turn, tool) for tool in range(3)]} for turn in range(TURNS)]
    script = directory / "script.json"
    script.write_text(json.dumps({"plan": PLAN, "turns": [*turns, {"text": "Counted."}]}))
    repository = directory / "project"
    repository.mkdir()
    (repository / "a.txt").write_text("begin\n")
    git = ["git", "-C", repository, "-c", "user.name=B", "-c", "user.email=b@example.invalid"]
    for arguments in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "--message=Begin"]):
        subprocess.run([*git, *arguments], check=True)
    stand_in = subprocess.Popen([RELEASE / "backspace", "--json", "stand-in", "claude", "--listen", "127.0.0.1:0", "--script", script],
                                stdout=subprocess.PIPE, text=True)
    try:
        url = json.loads(stand_in.stdout.readline())["url"]
        # The limit is high, so that the conversation is not compacted: a long one is what is measured.
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory), "BACKSPACE_HOME": str(directory / "home"), "BACKSPACE_CONTEXT_TOKENS": "900000",
                       "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "key"}
        command_line = [RELEASE / "backspace", "--json", "code", repository, "Count.", "--max-turns", str(TURNS + 50), "--max-cost", "50"]
        output, seconds, memory, code = peak(command_line, environment)
    finally:
        stand_in.terminate()
        stand_in.wait()
    frames = [json.loads(line) for line in output.splitlines()]
    assert code == 0 and frames[-1].get("pr_url"), output[-3000:]
    totals = frames[-1].get("totals") or next(frame["totals"] for frame in reversed(frames) if "totals" in frame)
    return seconds, memory, totals, sum(frame["kind"] == "tool.result" for frame in frames)


def main():
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        body = directory / "body.json"
        example = subprocess.run([RELEASE / "examples/model_session", body], check=True, capture_output=True, text=True)
        ours = json.loads(example.stdout)
        print(f"client and stand-in, {ours['turns']} turns with 3 tools each; the last request has {ours['bodyBytes'] / 1e6:.2f} MB, {ours['promptTokens']:,} tokens")
        print(f"  read from the cache of what was sent again   {ours['cacheShare']:.2%}   (at least 95 %)")
        print(f"  building the body of turn 200                {ours['buildMedianMs']:.2f} ms median, {ours['buildSlowestMs']:.2f} slowest of 200   (under 2 ms)")
        if PYTHON.exists():
            ran = subprocess.run([PYTHON, "-c", IN_PYTHON, body], check=True, capture_output=True, text=True)
            theirs = json.loads(ran.stdout)
            print(f"  the same in anthropic {theirs['version']} for Python        {theirs['median']:.2f} ms median, {theirs['slowest']:.2f} slowest of 40; {theirs['memory']:.0f} MB")
        else:
            print("  the Python package is not installed, so there is no comparison: tests/run judges installs it")
        seconds, memory, totals, results = session(directory)
        print(f"program, {TURNS} turns, {results} tool calls in the sandbox, {seconds:.1f} s")
        print(f"  peak resident memory                         {memory:.1f} MB   (under 60 MB)")
        print(f"  usage of the run                             {totals}")


main()
