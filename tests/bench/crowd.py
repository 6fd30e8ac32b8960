#!/usr/bin/env python3
"""A crowd on one server: 1,000 sessions that wait for a user, then 100 at work at once beside them.

Prints the time from a request to the first event of its stream, the memory of the program beyond its commands' own (the server and the
supervisors of its sandboxes, with shared pages counted once), and the time until all sessions have ended. For comparison the same
100 requests are sent to the server before the crowd, one at a time.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import statistics
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("BACKSPACE_PROGRAM", str(TOP / "target/release/backspace"))
sys.path.insert(0, str(TOP / "tests/http"))

from common import Peak, memory  # noqa: E402
from server import bash, program, script, serve  # noqa: E402

PARKED = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
AT_WORK = int(sys.argv[2]) if len(sys.argv) > 2 else 100
FILE = os.path.realpath(program())
WORK = script(*[bash(f"sleep 0.2; echo {turn} >> a.txt") for turn in range(5)])


def watched(server, prompt: str) -> tuple[float, float, str]:
    """Starts a session and reads its stream: seconds to the first event and to the last, and the last status."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=900)
    body = json.dumps({"repoUrl": str(server.repository), "prompt": prompt})
    connection.request("POST", "/code", body, {"Content-Type": "application/json", "Accept": "text/event-stream"})
    answer = connection.getresponse()
    first, last = None, {}
    for line in answer:
        if line.startswith(b"data: "):
            first = first or time.perf_counter() - start
            last = json.loads(line[6:])
    connection.close()
    return first, time.perf_counter() - start, last.get("status", last.get("kind", "nothing"))


def park(server, number: int) -> str:
    session = server.begin(f"Plan {number}.", requirePlanApproval=True)
    while True:
        status = server.request("GET", f"/sessions/{session}")[1]["status"]
        if status == "awaiting_user":
            return session
        assert status not in ("failed", "cancelled", "expired"), status
        time.sleep(0.5)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def shown(title: str, firsts: list[float]) -> None:
    print(f"{title:58} p50 {statistics.median(firsts) * 1e3:7.0f} ms   p95 {percentile(firsts, 0.95) * 1e3:7.0f} ms", flush=True)


def main() -> None:
    with serve(WORK, {"BACKSPACE_MAX_STREAMS": "2000"}) as server:
        alone = [watched(server, f"Alone {number}.") for number in range(10)]
        shown("first event, one session at a time", [row[0] for row in alone])
        peak, start = Peak(server.process.pid, FILE), time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            parked = list(pool.map(lambda number: park(server, number), range(PARKED)))
        print(f"{PARKED} sessions parked after {time.perf_counter() - start:.0f} s, {peak.stop()}", flush=True)
        print(f"{'parked, at rest':58} {sum(memory(server.process.pid, FILE)):.0f} MB", flush=True)
        peak, start = Peak(server.process.pid, FILE), time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(AT_WORK) as pool:
            worked = list(pool.map(lambda number: watched(server, f"Work {number}."), range(AT_WORK)))
        seconds = time.perf_counter() - start
        shown(f"first event, {AT_WORK} at once beside {PARKED} parked", [row[0] for row in worked])
        ended = sorted({row[2] for row in worked})
        print(f"{AT_WORK} sessions at work ended after {seconds:.0f} s as {ended}, {peak.stop()}", flush=True)
        start = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda id: server.request("POST", f"/sessions/{id}/cancel", {}), parked))
            assert all(status < 300 for status, _ in answers), answers[:3]
            last = list(pool.map(lambda id: server.wait(id).get("status"), parked))
        print(f"{PARKED} parked sessions ended after {time.perf_counter() - start:.0f} s as {sorted(set(map(str, last)))}")


if __name__ == "__main__":
    main()
