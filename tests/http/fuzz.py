"""A hundred thousand malformed requests: no answer is a 5xx, every error has the documented shape, and memory does not grow."""

import asyncio
import collections
import json
import random
import sys

from server import bash, script, serve

REQUESTS = 100_000
CONNECTIONS = 16
MAX_GROWTH = 150  # MB, of a debug build

ROUTES = [
    ("POST", "/code"), ("GET", "/sessions"), ("GET", "/sessions/{id}"), ("GET", "/sessions/{id}/events"), ("GET", "/sessions/{id}/diff"),
    ("POST", "/sessions/{id}/messages"), ("POST", "/sessions/{id}/approve"), ("POST", "/sessions/{id}/reject"),
    ("POST", "/sessions/{id}/extend"), ("POST", "/sessions/{id}/cancel"), ("GET", "/tokens"), ("POST", "/tokens"), ("DELETE", "/tokens/{id}"),
    ("DELETE", "/sessions/{id}"),
    ("GET", "/health"), ("GET", "/openapi.json"), ("GET", "/docs/"), ("GET", "/"), ("GET", "/pulls/{id}/1"), ("GET", "/pulls/x/{id}/diff"),
    ("GET", "/nothing"),
]
METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW", "get", "P\x00ST"]
IDS = [
    "01K00000000000000000000001", "0", "", "..", "%2e%2e", "%00", "a" * 300, "01k00000000000000000000001", "%ff%fe", "'--",
    "{}", "null", "-1", "9" * 40, "%F0%9F%A6%80", "<script>", "..%2f..%2fetc%2fpasswd", "con", "token-1",
]
QUERIES = [
    "", "?", "?after=-1", "?after=99999999999999999999", "?after=1&after=2", "?limit=0", "?limit=abc", "?limit=1e9", "?%zz",
    "?format=xml", "?deltas=maybe", "?cursor=%00", "?a=" + "b" * 5000, "?after=%31", "?&&&===", "?cursor=01K0000000000000000000000I",
]
VALUES = [
    "", " ", "*/*", "text/html;q=abc", "application/json;q=9", ";;;,,,", "q=", "\x80\xff", "a" * 9000, "bytes", "respond-async;;",
    "Bearer", "Bearer x", "Bearer bsp_" + "0" * 64, "Basic Og==", "null", "http://evil.example", "http://localhost:5173", "evil.example",
    "localhost:99999", "[::1", "application/x-www-form-urlencoded", "application/json; charset=\x01", "1\t2", "-5", "18446744073709551616", "1", "%",
]
NAMES = [
    "Accept", "Prefer", "Authorization", "Host", "Origin", "Content-Type", "Last-Event-ID", "Idempotency-Key", "X-Request-Id",
    "Content-Length", "Transfer-Encoding", "Expect", "Connection", "Range", "Cookie", "If-None-Match", "Upgrade", "X-\x7f", "",
]
ATOMS = [
    "null", "true", "0", "-1", "1e999", "1" * 400, "\"\"", "\"\\u0000\"", "\"\\ud800\"", "[]", "{}", "\"x\"", "\"http://a:b@c/\"", "\"-x\"",
    "\"" + "y" * 3000 + "\"", "[" * 200, "{\"a\":" * 200, "NaN", "\"file:///etc/passwd\"", "\"/nowhere\"", "[[[]]]", "1.5", "\"\xff\"",
]
FIELDS = [
    "repoUrl", "prompt", "baseBranch", "model", "limits", "requirePlanApproval", "autoCreatePr", "draft", "network", "text", "plan", "message",
    "turns", "costUsd", "minutes", "keepBranch", "principal", "label", "expiresInDays", "admin", "repositories", "surprise", "",
]


# Whole bodies. Each that could start or resume a session is invalid in one way: the session has ended, the plan does not exist.
WHOLE = [
    {"repoUrl": "/nowhere", "prompt": "x", "limits": {"maxTurns": 0}}, {"repoUrl": "/nowhere", "prompt": "x", "baseBranch": "a..b"},
    {"plan": "plan-1"}, {"turns": 1}, {"costUsd": 1.5, "minutes": 3}, {"keepBranch": True}, {"message": None}, {"text": ""}, {"text": "\0"}, {},
    {"principal": "x" * 200}, {"principal": "x", "expiresInDays": 0}, {"principal": "x", "repositories": ["/a/../b"]},
]


def body(chance: random.Random) -> bytes:
    """A body: random bytes, nearly JSON, or valid JSON that the operation refuses."""
    kind = chance.randrange(8)
    if kind > 5:
        return json.dumps(chance.choice(WHOLE)).encode()
    if kind == 0:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(60)))
    if kind == 1:
        return chance.choice(ATOMS).encode("latin-1")
    fields = ",".join(f"\"{chance.choice(FIELDS)}\":{chance.choice(ATOMS)}" for _ in range(chance.randrange(6)))
    text = "{" + fields + "}"
    if kind == 2:
        text = text[: chance.randrange(len(text) + 1)]
    return text.encode("latin-1")


def request(chance: random.Random, session: str) -> bytes:
    """A request with a random number of errors."""
    identity = session if chance.random() < 0.4 else chance.choice(IDS)
    method, path = chance.choice(ROUTES)
    path = path.replace("{id}", identity) + (chance.choice(QUERIES) if chance.random() < 0.3 else "")
    method = method if chance.random() < 0.85 else chance.choice(METHODS)
    if method == "DELETE":
        # The session is needed to the end.
        path = path.replace(session, chance.choice(IDS))
    headers = [("Host", "localhost")] if chance.random() < 0.95 else []
    headers += [(chance.choice(NAMES), chance.choice(VALUES)) for _ in range(max(0, chance.randrange(6) - 2))]
    if chance.random() < 0.01:
        headers += [(f"X-{n}", "x") for n in range(chance.choice([70, 120, 200]))]
    sent = b""
    if method in ("POST", "PUT", "PATCH") or chance.random() < 0.1:
        sent = body(chance)
        if chance.random() < 0.8:
            headers.append(("Content-Type", "application/json"))
        framing = chance.random()
        if framing < 0.85:
            headers.append(("Content-Length", str(len(sent))))
        elif framing < 0.95:
            headers.append(("Transfer-Encoding", "chunked"))
            sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent) if chance.random() < 0.7 else chance.randrange(5), sent)
        else:
            headers.append(("Content-Length", chance.choice(["-1", "abc", "1", "99999"])))
    head = f"{method} {path} {chance.choice(['HTTP/1.1'] * 20 + ['HTTP/1.0', 'HTTP/9.9', ''])}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    return head.encode("latin-1") + sent


async def answer(reader: asyncio.StreamReader, method: bytes) -> tuple[int, dict, bytes]:
    """Reads an answer: its status, its headers, and its body by the length that the headers give."""
    line = await reader.readline()
    if not line:
        raise ConnectionError
    status = int(line.split()[1])
    headers = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    content = b""
    if method == b"HEAD" or status in (204, 304):
        return status, headers, content
    if b"content-length" in headers:
        content = await reader.readexactly(int(headers[b"content-length"]))
    elif headers.get(b"transfer-encoding") == b"chunked":
        while size := int(await reader.readline(), 16):
            content += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        # Without a length the body ends with its connection.
        content = await reader.read()
        headers[b"connection"] = b"close"
    return status, headers, content


def check(status: int, headers: dict, content: bytes, sent: bytes) -> None:
    """No answer is a 5xx, and an error has the documented shape. (What is not HTTP is refused with an empty body.)"""
    assert status < 500, (status, sent, content)
    if status >= 400 and content:
        error = json.loads(content)["error"]
        assert set(error) == {"code", "message", "requestId"} and all(error.values()), (sent, content)
        assert headers[b"x-request-id"].decode() == error["requestId"]


async def work(port: int, session: str, seed: int, count: int, statuses: collections.Counter) -> None:
    """Sends requests; a connection serves several until it is closed."""
    chance = random.Random(seed)
    reader = writer = None
    for _ in range(count):
        sent = request(chance, session)
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(sent)
            # The server waits for a body that is shorter than announced, so this closes the connection after 2 s.
            got = await asyncio.wait_for(answer(reader, sent.split(b" ", 1)[0]), 2)
            check(*got, sent)
            statuses[got[0]] += 1
            keep = got[1].get(b"connection") != b"close" and chance.random() < 0.9
        except (ConnectionError, asyncio.IncompleteReadError, BrokenPipeError):
            statuses["closed"] += 1
            keep = False
        except TimeoutError:
            statuses["waiting"] += 1
            keep = False
        if not keep:
            writer.close()
            reader = writer = None
    if writer:
        writer.close()


async def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with serve(script(bash("echo two >> a.txt"))) as server:
        session = server.begin()
        server.wait(session)
        before, sessions = server.memory(), server.request("GET", "/sessions")[1]["sessions"]
        statuses: collections.Counter = collections.Counter()
        share = REQUESTS // CONNECTIONS
        await asyncio.gather(*(work(server.port, session, seed * 1000 + n, share, statuses) for n in range(CONNECTIONS)))
        after = server.memory()
        assert server.request("GET", "/health")[0] == 200
        left = server.request("GET", "/sessions?limit=100")[1]["sessions"]
        # A request that happens to be valid starts a session on a path without a repository, and the session fails.
        for other in left:
            server.wait(other["id"])
        # Fields of a list may be a moment behind the log, so only the ids are compared.
        assert sessions[0]["id"] in [other["id"] for other in left]
        shown = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items(), key=str))
        print(f"fuzz: {sum(statuses.values())} requests, none answered with a 5xx ({shown}); "
              f"{len(left) - len(sessions)} were valid and started a session; {before:.0f} MB before, {after:.0f} MB after")
        assert all(statuses[status] for status in (200, 400, 401, 403, 404, 405, 409, 414, 415, 431)), statuses
        assert after - before < MAX_GROWTH, f"{after - before} MB"


if __name__ == "__main__":
    asyncio.run(main())
