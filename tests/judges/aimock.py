"""Runs our program against npm's `@copilotkit/aimock`, a mock of the Messages API by others. Usage: aimock.py PROGRAM AIMOCK"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROGRAM, AIMOCK = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
PLAN = {
    "title": "Write a greeting", "summary": "It is asked for.", "steps": ["Write it."], "files": ["greeting.txt"], "risks": [],
    "projectType": "general", "confidence": {"value": 0.9, "reason": "It is small."}, "decisions": [], "question": None,
}


def call(command):
    return {"name": "bash", "arguments": json.dumps({"command": command})}


# aimock selects a reply by the number of replies before it. The plan is a conversation of its own, without tools.
FIXTURES = {"fixtures": [
    {"match": {"toolName": "bash", "turnIndex": 0}, "response": {"content": "I write it.", "toolCalls": [call("echo Grüße > greeting.txt"), call("ls")]}},
    {"match": {"toolName": "bash", "turnIndex": 1}, "response": {"toolCalls": [call("cat greeting.txt")]}},
    {"match": {"toolName": "bash", "turnIndex": 2}, "response": {"content": "There is a greeting now."}},
    {"match": {"userMessage": "greeting"}, "response": {"content": json.dumps(PLAN)}},
]}


def main():
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        (directory / "fixtures").mkdir()
        (directory / "fixtures/session.json").write_text(json.dumps(FIXTURES))
        repository = directory / "project"
        repository.mkdir()
        git = ["git", "-C", repository, "-c", "user.name=T", "-c", "user.email=t@example.invalid"]
        (repository / "a.txt").write_text("one\n")
        for arguments in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "--message=Begin"]):
            subprocess.run([*git, *arguments], check=True)
        command = ["node", AIMOCK, "-p", "0", "-f", directory / "fixtures", "--strict"]
        # With strict turns a request without a fixture for its turn fails, rather than getting the nearest one.
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={**os.environ, "AIMOCK_STRICT_TURN_INDEX": "1"})
        try:
            url, output = None, []
            while url is None:
                line = server.stdout.readline()
                output.append(line)
                if not line:
                    sys.exit(f"aimock did not start: {''.join(output)}")
                found = re.search(r"https?://[\d.a-z]+:\d+", line)
                url = found and found.group(0)
            environment = {
                "PATH": os.environ["PATH"], "HOME": str(directory), "BACKSPACE_HOME": str(directory / "home"),
                "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "key",
            }
            ran = subprocess.run([PROGRAM, "--json", "code", repository, "Write a greeting."], env=environment,
                                 capture_output=True, text=True, timeout=120)
        finally:
            server.terminate()
            rest = server.communicate()[0]
        assert ran.returncode == 0, ran.stdout + ran.stderr + rest
        frames = [json.loads(line) for line in ran.stdout.splitlines()]
        results = [frame for frame in frames if frame["kind"] == "tool.result"]
        assert len(results) == 3 and "Grüße" in results[2]["output"], results
        assert frames[-1]["pr_url"], frames[-1]
        print(f"aimock: a session with {len(results)} tool calls in 3 turns ended in a pull request")


main()
