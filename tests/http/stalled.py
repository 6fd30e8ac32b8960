"""Viewers that ask and never read, on a stream longer than the system keeps for them: they are cut off, and cost nobody anything."""

import contextlib
import os
import socket
import time

from served import script, serve

STALLED = 20
# The server gives a connection 30 s in which it takes nothing.
LATEST = 60
MOST_GROWTH = 60  # MB, of a debug build


def turn(number: int) -> dict:
    """A turn with much output, other than that of every other turn."""
    command = "echo {} >> a.txt; head -c 28000 /dev/urandom | od -An -tx1 | head -c 28000"
    calls = [{"name": "bash", "input": {"command": command.format(f"{number}.{call}")}} for call in range(14)]
    return {"text": f"Part {number}.", "tools": calls}


def main() -> None:
    with serve(script(*(turn(number) for number in range(14)))) as served, contextlib.ExitStack() as open_sockets:
        session = served.begin()
        # So much output is more than a conversation may hold: sooner or later a person is asked. By then there is enough.
        while served.request("GET", f"/sessions/{session}")[1]["status"] not in ("done", "awaiting_user"):
            time.sleep(0.5)
        served.request("POST", f"/sessions/{session}/cancel", {})
        served.wait(session)
        connections = lambda: len(os.listdir(f"/proc/{served.process.pid}/fd"))
        begun = time.monotonic()
        served.wait(session)
        alone = time.monotonic() - begun
        before, memory = connections(), served.memory()
        for _ in range(STALLED):
            raw = open_sockets.enter_context(socket.socket())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", served.port))
            raw.sendall(f"GET /sessions/{session}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        began = time.monotonic()
        served.wait(session)
        beside = time.monotonic() - began
        most, peak = connections(), served.memory()
        while connections() > before and time.monotonic() - began < LATEST:
            # The server is asked, so that this waits on something.
            served.request("GET", "/health")
            peak = max(peak, served.memory())
            time.sleep(0.2)
        cut = time.monotonic() - began
        print(f"stalled: {most - before} viewers that never read were cut off after {cut:.0f} s; a reader took {alone:.1f} s alone "
              f"and {beside:.1f} s beside them; the server held {memory:.0f} MB before and {peak:.0f} MB at most")
        assert most - before >= STALLED, "they were there"
        assert connections() <= before, "they were not cut off"
        assert peak - memory < MOST_GROWTH, f"{peak - memory} MB"


if __name__ == "__main__":
    main()
