"""A session is read from start to end through a proxy that cuts the connection every few frames."""

import asyncio
import http.client

from server import bash, script, serve, streamed

FRAMES = 3


async def cutting(port: int) -> asyncio.Server:
    """An HTTP/1.1 proxy that forwards bytes and cuts after some frames, every other time in the middle of one."""
    count = 0

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        half = count % 2 == 0
        above_reader, above_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            above_writer.write(head)
            frames = 0
            while frames < FRAMES and (line := await above_reader.readline()):
                if line.startswith(b"id: "):
                    frames += 1
                    if half and frames == FRAMES:
                        # The id was forwarded, its data was not.
                        writer.write(line + (await above_reader.readline())[:40])
                        break
                writer.write(line)
            await writer.drain()
        finally:
            above_writer.close()
            writer.close()

    return await asyncio.start_server(pass_on, "127.0.0.1", 0)


def watch(port: int, session: str) -> tuple[list[int], int]:
    """Reads as the SSE standard says: an event counts once its blank line was read; an incomplete one is discarded."""
    seen: list[int] = []
    connections = 0
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Connection": "close", **({"Last-Event-ID": str(seen[-1])} if seen else {})}
        connection.request("GET", f"/sessions/{session}/events", headers=headers)
        answer = connection.getresponse()
        connections += 1
        if answer.status == 204:
            return seen, connections
        identity = data = None
        try:
            for line in answer:
                line = line.rstrip(b"\n")
                if line.startswith(b"id: "):
                    identity = int(line[4:])
                elif line.startswith(b"data: "):
                    data = line
                elif not line:
                    if identity is not None and data:
                        seen.append(identity)
                    identity = data = None
        except (http.client.HTTPException, ConnectionError):
            pass
        connection.close()


async def main() -> None:
    with serve(script(*(bash(f"echo {n} >> a.txt") for n in range(5)))) as server:
        session = server.begin()
        proxy = await cutting(server.port)
        port = proxy.sockets[0].getsockname()[1]
        seen, connections = await asyncio.to_thread(watch, port, session)
        proxy.close()
        _, page = server.request("GET", f"/sessions/{session}/events?limit=1000")
        assert seen == streamed(page["events"]), seen
        print(f"proxy: {len(seen)} events exactly once and in order through {connections} connections that were cut")
        assert connections > len(seen) / FRAMES


if __name__ == "__main__":
    asyncio.run(main())
