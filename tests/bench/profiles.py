#!/usr/bin/env python3
"""Builds the release program under several profiles, and prints build time, size and speed of each.

Every build starts from nothing, with the sources already fetched; the sessions of the programs are run alternately. The time of a
build is processor time, which other work on the machine disturbs least. It takes twenty minutes on two cores, so `tests/run bench`
leaves it out.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys

from common import GROUP, TESTS, measured, workplace
from session import session

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 11
# Names of cargo's: link-time optimization, optimization level, units that a crate is compiled in.
PROFILES = [("fat", "s", "16"), ("thin", "s", "16"), ("thin", "3", "16"), ("off", "3", "16")]


def build(lto, level, units):
    """Processor time of the build in seconds, and the program."""
    target = TESTS.parent / "target/profiles"
    shutil.rmtree(target, ignore_errors=True)
    settings = {"CARGO_PROFILE_RELEASE_LTO": lto, "CARGO_PROFILE_RELEASE_OPT_LEVEL": level, "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": units}
    command = ["cargo", "build", "--quiet", "--release", "--bin", "backspace", "--target-dir", target]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=TESTS.parent, env={**os.environ, **settings})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Left there, for a closer look.
    program = TESTS.parent / f"target/backspace-{lto}-{level}-{units}"
    shutil.move(target / "release/backspace", program)
    shutil.rmtree(target)
    return seconds, program


def main():
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], check=True, cwd=TESTS.parent)
    built = [(profile, *build(*profile)) for profile in PROFILES]
    times = [[] for _ in built]
    with workplace(built[0][2]) as (top, repository):
        for number in range(-1, ROUNDS):
            for index, (_, _, program) in enumerate(built):
                directory = top / f"round{number}-{index}"
                directory.mkdir()
                measurement = measured(lambda: session(repository, directory, program))
                shutil.rmtree(directory)
                if number >= 0:  # the first round warms the page cache
                    times[index].append(measurement)
    print(f"{'lto':8}{'level':8}{'units':8}{'build CPU s':>13}{'size MB':>10}{'session ms':>12}{'CPU ms':>10}   medians of {ROUNDS} sessions")
    for (profile, seconds, program), rows in zip(built, times):
        wall, cpu = (statistics.median(row[column] for row in rows) * 1e3 for column in (0, 1))
        size = program.stat().st_size / 1e6
        print("".join(f"{word:8}" for word in profile) + f"{seconds:>13.0f}{size:>10.1f}{wall:>12.0f}{cpu:>10.0f}")


if __name__ == "__main__":
    try:
        main()
    finally:
        GROUP.close()
