"""A thousand viewers of one session, each cut off repeatedly: every one sees every event exactly once and in order."""

import asyncio
import random
import sys

from server import bash, script, serve, streamed

VIEWERS = 1000
MAX_MEMORY = 300  # MB, of a debug build


class Viewer:
    """A viewer with the ids of the events that it has seen."""

    def __init__(self, number: int, port: int, session: str):
        self.random = random.Random(number)
        self.port = port
        self.session = session
        self.seen: list[int] = []
        self.connections = 0
        self.finished = False

    async def watch(self) -> None:
        """Reads over as many connections as it takes, then connects once more."""
        while not self.finished:
            await self.connect(self.random.randint(1, 60))
        status, _, writer = await self.open()
        writer.close()
        assert status == 204, f"after the final frame: {status}"

    async def open(self):
        """Opens a stream after the last event seen, which the header, the URL or both name."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        last = self.seen[-1] if self.seen else 0
        way = self.random.randrange(3)
        # With both the header counts: a browser that reconnects sends it with the URL it began with.
        query = f"?after={last if way == 0 else self.random.randint(0, last)}" if way != 1 else ""
        header = f"Last-Event-ID: {last}\r\n" if way != 0 and last else ""
        if way == 2 and not last:
            query = "?after=0"
        path = f"/sessions/{self.session}/events{query}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n".encode())
        self.connections += 1
        status = int((await reader.readline()).split()[1])
        while (await reader.readline()).strip():
            pass
        return status, reader, writer

    async def connect(self, frames: int) -> None:
        """Reads some frames and closes the connection."""
        status, reader, writer = await self.open()
        if status == 204:
            self.finished = True
        assert status in (200, 204), status
        try:
            while frames and not self.finished:
                line = await reader.readline()
                if not line:
                    return
                if line.startswith(b"id: "):
                    self.seen.append(int(line[4:]))
                    # The id comes before the data; the frame counts once its data was read.
                    data = await reader.readline()
                    if not data.endswith(b"\n") or not data.startswith(b"data: "):
                        self.seen.pop()
                        return
                    frames -= 1
                    self.finished = b'"kind":"run.finished"' in data
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def main() -> None:
    turns = [bash(f"echo {n} >> a.txt; sleep 0.1; head -c 3000 /dev/zero | tr '\\0' x") for n in range(20)]
    with serve(script(*turns)) as server:
        session = server.begin()
        before = server.memory()
        viewers = [Viewer(number, server.port, session) for number in range(VIEWERS)]
        watching = [asyncio.create_task(viewer.watch()) for viewer in viewers]
        peak = before
        while not all(task.done() for task in watching):
            await asyncio.wait(watching, timeout=1)
            peak = max(peak, server.memory())
            for task in watching:
                if task.done():
                    task.result()
        _, page = server.request("GET", f"/sessions/{session}/events?limit=1000")
        whole = streamed(page["events"])
        assert page["done"] and whole == list(range(1, len(whole) + 1))
        wrong = [viewer for viewer in viewers if viewer.seen != whole]
        assert not wrong, f"{len(wrong)} viewers saw {wrong[0].seen[-5:]} of {len(whole)}"
        connections = sum(viewer.connections for viewer in viewers)
        print(f"viewers: {VIEWERS} saw {len(whole)} events each exactly once and in order over {connections} connections; "
              f"the server held {before:.0f} MB before and {peak:.0f} MB at most")
        assert peak < MAX_MEMORY, f"{peak} MB"


if __name__ == "__main__":
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    asyncio.run(main())
    sys.exit(0)
