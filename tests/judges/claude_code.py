"""Runs a scripted session of npm's `@anthropic-ai/claude-code` against our stand-in. Usage: claude_code.py PROGRAM CLAUDE"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM, CLAUDE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])


def bash(text, command):
    return {"text": text, "tools": [{"name": "Bash", "input": {"command": command, "description": "as asked"}}]}


SCRIPT = {"turns": [
    bash("I write the file.", "echo hello > greeting.txt"),
    # A transient error, after which Claude Code retries.
    {**bash("I read it.", "cat greeting.txt"), "fault": {"kind": "status", "status": 529, "retryAfter": 0}},
    {"when": [{"if": {"resultContains": "hello"}, "text": "It says hello."}], "text": "It says something else."},
]}


def main():
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        (directory / "script.json").write_text(json.dumps(SCRIPT))
        (directory / "work").mkdir()
        command = [PROGRAM, "--json", "stand-in", "claude", "--listen", "127.0.0.1:0", "--script", directory / "script.json"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = json.loads(server.stdout.readline())["url"]
            environment = {
                "PATH": os.environ["PATH"], "HOME": str(directory), "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "key",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "IS_SANDBOX": "1",
            }
            arguments = ["-p", "Write a greeting.", "--model", "claude-sonnet-5-5", "--output-format", "json", "--dangerously-skip-permissions"]
            ran = subprocess.run([CLAUDE, *arguments], cwd=directory / "work", env=environment, stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, timeout=120)
        finally:
            server.terminate()
            server.wait()
        assert ran.returncode == 0, ran.stdout + ran.stderr
        result = json.loads(ran.stdout)
        assert not result["is_error"] and result["result"] == "It says hello.", result
        assert result["usage"]["cache_read_input_tokens"] > 0, result["usage"]
        assert (directory / "work/greeting.txt").read_text() == "hello\n"
        version = subprocess.run([CLAUDE, "--version"], capture_output=True, text=True, env=environment).stdout.strip()
        print(f"Claude Code {version}: {result['num_turns']} turns, {result['usage']['cache_read_input_tokens']} tokens read from the cache")


main()
