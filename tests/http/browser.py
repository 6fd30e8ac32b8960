"""Chromium reads a session whose streams end after a second each; pages of other origins are refused."""

import os
import subprocess
import sys

from server import TOP, bash, script, serve


def main() -> None:
    # A stream lives at least one second, and a browser reconnects after another; the session takes several.
    long = script(*[bash(f"echo {n} >> a.txt; sleep 1") for n in range(6)])
    # A reply that stalls in mid-stream on an open connection: its text is shown as far as it was sent.
    stalled = script({"text": "Word " * 200, "fault": {"kind": "stall"}})
    scripts = {"scripts": [{"match": "Stall for", **stalled}, long]}
    with serve(scripts, {"BACKSPACE_STREAM_SECONDS": "1"}) as server:
        # The first session makes a pull request for the browser to open.
        first = server.begin()
        # Each stream ends after its second, or with the session.
        while server.wait(first).get("kind") != "run.finished":
            pass
        pull = server.request("GET", f"/sessions/{first}")[1]["pr_url"]
        modules = TOP / "target/tools/http/node"
        client = modules / "browser.mjs"
        client.write_bytes((TOP / "tests/http/browser.mjs").read_bytes())
        pictures = TOP / "target/http-pictures"
        command = ["node", client, server.address, server.repository, pull, pictures]
        ran = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"})
        sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
