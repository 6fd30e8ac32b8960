"""Viewers that never read, on a stream longer than the socket buffers: they are cut off, and no other reader is slowed down."""

import contextlib
import os
import socket
import time

from server import script, serve

STALLED = 20
# Seconds. The server closes a connection that takes no data for 30 s.
CUT_OFF_TIMEOUT = 60
MAX_GROWTH = 60  # MB, of a debug build


def turn(number: int) -> dict:
    """A turn with much output that differs from that of every other turn."""
    command = "echo {} >> a.txt; head -c 28000 /dev/urandom | od -An -tx1 | head -c 28000"
    calls = [{"name": "bash", "input": {"command": command.format(f"{number}.{call}")}} for call in range(14)]
    return {"text": f"Part {number}.", "tools": calls}


def main() -> None:
    with serve(script(*(turn(number) for number in range(14)))) as server, contextlib.ExitStack() as open_sockets:
        session = server.begin()
        # So much output does not fit into a conversation, so the run may end up waiting for the user; by then the stream is long enough.
        while server.request("GET", f"/sessions/{session}")[1]["status"] not in ("done", "awaiting_user"):
            time.sleep(0.5)
        server.request("POST", f"/sessions/{session}/cancel", {})
        server.wait(session)
        connections = lambda: len(os.listdir(f"/proc/{server.process.pid}/fd"))
        start = time.monotonic()
        server.wait(session)
        alone = time.monotonic() - start
        # The sandbox of the run, which is removed after the end, has connections too.
        before, last = connections(), -1
        while before != last:
            time.sleep(1)
            before, last = connections(), before
        memory = server.memory()
        for _ in range(STALLED):
            raw = open_sockets.enter_context(socket.socket())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", server.port))
            raw.sendall(f"GET /sessions/{session}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        start = time.monotonic()
        server.wait(session)
        beside = time.monotonic() - start
        stalled, peak = connections(), server.memory()
        while connections() > before and time.monotonic() - start < CUT_OFF_TIMEOUT:
            server.request("GET", "/health")
            peak = max(peak, server.memory())
            time.sleep(0.2)
        cut = time.monotonic() - start
        print(f"stalled: {stalled - before} viewers that never read were cut off after {cut:.0f} s; a reader took {alone:.1f} s alone "
              f"and {beside:.1f} s beside them; the server held {memory:.0f} MB before and {peak:.0f} MB at most")
        assert stalled - before >= STALLED, "the stalled viewers were not connected"
        assert connections() <= before, "the stalled viewers were not cut off"
        assert peak - memory < MAX_GROWTH, f"{peak - memory} MB"


if __name__ == "__main__":
    main()
