"""Latency from the append of an event to its viewers: p50 and p99, with 1, 100 and 1,000 viewers.

Measured from the time in the event, which is taken before the append reaches the disk, to the time at which the client has read it.
For comparison the same client reads from a plain broadcaster in Python, which stores nothing and sends frames of the same length at
the same rate to as many viewers.
"""

import datetime
import os
import pathlib
import re
import resource
import selectors
import socket
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("BACKSPACE_PROGRAM", str(TOP / "target/release/backspace"))
sys.path.insert(0, str(TOP / "tests/http"))

from server import bash, script, serve  # noqa: E402

VIEWERS = (1, 100, 1000)
AT = re.compile(rb'"at":"([^"]+)"')

BROADCASTER = """
import datetime, selectors, socket, sys, time
viewers, size, frames, pause = map(int, sys.argv[1:5])
listener = socket.create_server(("127.0.0.1", 0), backlog=2000)
print(listener.getsockname()[1], flush=True)
connections = []
for _ in range(viewers):
    connection = listener.accept()[0]
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\n\\r\\n")
    connections.append(connection)
time.sleep(1)
for number in range(frames):
    at = datetime.datetime.now(datetime.timezone.utc).isoformat()
    frame = f'id: {number}\\ndata: {{"at":"{at}","pad":"{"x" * size}"}}\\n\\n'.encode()
    for connection in connections:
        connection.sendall(frame)
    time.sleep(pause / 1000)
"""


def moment(text: bytes) -> float:
    """A time in RFC 3339, in seconds."""
    text = text.decode().replace("Z", "+00:00")
    text = re.sub(r"\.(\d{6})\d+", r".\1", text)
    return datetime.datetime.fromisoformat(text).timestamp()


def watch(port: int, path: str, viewers: int) -> list[float]:
    """Connects viewers and reads until all streams end. Returns the latency of each event at each viewer, in seconds."""
    selector = selectors.DefaultSelector()
    for _ in range(viewers):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, bytearray())
    # Events from before all viewers were connected do not count.
    connected = time.time() + 0.5
    received: list[tuple[float, bytes]] = []
    while selector.get_map():
        for key, _ in selector.select(60):
            piece = key.fileobj.recv(262144)
            now = time.time()
            if not piece:
                selector.unregister(key.fileobj)
                key.fileobj.close()
            # A frame may arrive in several pieces.
            key.data.extend(piece)
            whole, _, rest = bytes(key.data).rpartition(b"\n")
            key.data[:] = rest
            received.extend((now, at) for at in AT.findall(whole))
    times = {at: moment(at) for at in {at for _, at in received}}
    return [now - times[at] for now, at in received if times[at] > connected]


def row(name: str, viewers: int, latencies: list[float]) -> None:
    latencies.sort()
    p50, p99 = latencies[len(latencies) // 2] * 1000, latencies[len(latencies) * 99 // 100] * 1000
    print(f"{name:<28} {viewers:>7} {len(latencies):>9} {p50:>9.1f} {p99:>9.1f}", flush=True)


def ours(viewers: int) -> tuple[list[float], float]:
    turns = [bash(f"echo {n} >> a.txt; sleep 0.2") for n in range(25)]
    with serve(script(*turns)) as server:
        latencies = watch(server.port, f"/sessions/{server.begin()}/events?deltas=false", viewers)
        return latencies, server.memory()


def plain(viewers: int) -> list[float]:
    command = [sys.executable, "-c", BROADCASTER, str(viewers), "450", "150", "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broadcaster:
        return watch(int(broadcaster.stdout.readline()), "/", viewers)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    print(f"\n{'append to viewer':<28} {'viewers':>7} {'frames':>9} {'p50 ms':>9} {'p99 ms':>9}")
    for viewers in VIEWERS:
        latencies, memory = ours(viewers)
        row(f"ours ({memory:.0f} MB)", viewers, latencies)
        row("plain Python broadcaster", viewers, plain(viewers))


if __name__ == "__main__":
    main()
