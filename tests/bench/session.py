#!/usr/bin/env python3
"""Compares a scripted session with the same commands in a bare shell script that clones and commits.

Both do the same work on the same repository, alternately, on this machine; the benchmark prints medians. CPU is user and system
time of the whole process tree. The session is one call of the release program, which starts the scripted stand-in and the sandbox,
writes the log durably, takes a checkpoint after every command, publishes the branch and writes the pull request.
"""

import re
import shutil
import statistics
import sys

from common import GROUP, PROGRAM, TESTS, bare_script, measured, run, workplace

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


def session(repository, directory, program=PROGRAM):
    prompt = (TESTS / "fixtures/scripts/web.prompt.txt").read_text()
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory), "BACKSPACE_HOME": str(directory / "home")}
    command = [program, "code", repository, prompt, "--script", TESTS / "fixtures/scripts/web.json", "--trace"]
    ran = run(command, environment)
    assert ran.returncode == 0 and "pull request" in ran.stdout, ran.stdout + ran.stderr
    return ran.stderr


def spans(trace, name):
    """Durations of the spans with this name, in milliseconds."""
    found = re.findall(rf"{re.escape(name)}\s+(?:turn \d+\s+)?([\d.]+) (ms|s)\b", trace)
    return [float(value) * (1000 if unit == "s" else 1) for value, unit in found]


def main():
    with workplace() as (top, repository):
        bare, ours, traces = [], [], []
        for number in range(-1, ROUNDS):
            round_directory = top / f"round{number}"
            round_directory.mkdir()
            first = measured(lambda: bare_script(repository, round_directory))
            second = measured(lambda: session(repository, round_directory))
            shutil.rmtree(round_directory)
            if number >= 0:  # the first round warms the page cache
                bare.append(first)
                ours.append(second)
                traces.append(second[2])
        rows = {
            "bare script, clone and commit": ([row[0] for row in bare], [row[1] for row in bare]),
            "session": ([row[0] for row in ours], [row[1] for row in ours]),
        }
        how = "of a control group" if GROUP.path else "of processes that were waited for, which is too low for the session"
        print(f"{ROUNDS} alternating rounds, medians (minimum to maximum); CPU time {how}\n")
        print(f"{'':32}{'wall ms':>28}{'CPU ms':>28}")
        medians = {}
        for name, (wall, cpu) in rows.items():
            medians[name] = [statistics.median(wall), statistics.median(cpu)]
            shown = [f"{statistics.median(v) * 1e3:.0f} ({min(v) * 1e3:.0f} to {max(v) * 1e3:.0f})" for v in (wall, cpu)]
            print(f"{name:32}{shown[0]:>28}{shown[1]:>28}")
        ratio = [ours / bare for ours, bare in zip(medians["session"], medians["bare script, clone and commit"])]
        print(f"{'session / script':32}{ratio[0]:>28.2f}{ratio[1]:>28.2f}\n")
        for name in ["sandbox create", "sandbox clone", "sandbox baseline", "execute_tool bash", "sandbox collect", "forge publish"]:
            values = [value for trace in traces for value in spans(trace, name)]
            if values:
                print(f"{name:32}{statistics.median(values):>22.1f} ms each, {len(values) // len(traces)} per session")


if __name__ == "__main__":
    try:
        main()
    finally:
        GROUP.close()
