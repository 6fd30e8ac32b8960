#!/usr/bin/env python3
"""A server with eight sessions at once, beside eight of the same bare scripts at once.

Both do the same work on the same repository, in alternating rounds; prints sessions and scripts a minute, CPU time of each, and the
memory of the program with its supervisors.
"""

import concurrent.futures
import json
import os
import shutil
import statistics
import sys

from common import GROUP, PROGRAM, TESTS, Peak, bare_script, measured, workplace

os.environ.setdefault("BACKSPACE_PROGRAM", str(PROGRAM))
sys.path.insert(0, str(TESTS / "http"))

from server import Server  # noqa: E402

AT_ONCE = 8
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 10


def at_once(work):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, range(AT_ONCE)))


def scripts(repository, directory):
    def one(number):
        own = directory / f"script{number}"
        own.mkdir()
        bare_script(repository, own)
        shutil.rmtree(own)

    at_once(one)


def sessions(server, prompt):
    def one(_):
        final = server.wait(server.begin(prompt))
        assert final.get("status") == "done", final

    at_once(one)


def shown(name, rounds):
    walls, cpus = [row[0] for row in rounds], [row[1] / AT_ONCE for row in rounds]
    a_minute, cpu = AT_ONCE * 60 / statistics.median(walls), statistics.median(cpus) * 1e3
    print(f"{name:32}{a_minute:>16.0f}{cpu:>16.0f}")
    return a_minute, cpu


def main():
    with workplace() as (top, repository):
        prompt = (TESTS / "fixtures/scripts/web.prompt.txt").read_text()
        model_script = json.loads((TESTS / "fixtures/scripts/web.json").read_text())
        if GROUP.path:
            GROUP.join()
        server = Server(top, model_script, {"PATH": "/usr/local/bin:/usr/bin:/bin"})
        if GROUP.path:
            GROUP.leave()
        try:
            server.repository = repository
            peak = Peak(server.process.pid, os.path.realpath(PROGRAM), 0.05)
            bare, ours = [], []
            for number in range(-1, ROUNDS):
                first = measured(lambda: scripts(repository, top))
                second = measured(lambda: sessions(server, prompt))
                if number >= 0:  # the first round warms the page cache
                    bare.append(first)
                    ours.append(second)
            highest = peak.stop()
        finally:
            server.stop()
        print(f"{AT_ONCE} at once, {ROUNDS} alternating rounds, medians; CPU time without this client's\n")
        print(f"{'':32}{'a minute':>16}{'CPU ms each':>16}")
        script, session = shown("bare scripts", bare), shown("sessions of one server", ours)
        print(f"{'session / script':32}{session[0] / script[0]:>16.2f}{session[1] / script[1]:>16.2f}")
        print(f"\nmemory with {AT_ONCE} sessions: {highest}")


if __name__ == "__main__":
    try:
        main()
    finally:
        GROUP.close()
