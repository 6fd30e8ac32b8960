"""Chromium watches a session whose streams end after a second each; pages of other origins are refused."""

import os
import subprocess
import sys

from served import TOP, bash, script, serve


def main() -> None:
    # One second is the shortest life of a stream, and a browser waits for one until it comes again; the session takes several.
    long = script(*[bash(f"echo {n} >> a.txt; sleep 1") for n in range(6)])
    # A reply that stops in its middle, and the line stays open: its text is shown as far as it is written.
    stalled = script({"text": "Word " * 200, "fault": {"kind": "stall"}})
    played = {"scripts": [{"match": "Stall for", **stalled}, long]}
    with serve(played, {"BACKSPACE_STREAM_SECONDS": "1"}) as served:
        # A pull request to look at.
        first = served.begin()
        # Each stream ends after its second, or with the session.
        while served.wait(first).get("kind") != "run.finished":
            pass
        pull = served.request("GET", f"/sessions/{first}")[1]["pr_url"]
        modules = TOP / "target/tools/http/node"
        judge = modules / "browser.mjs"
        judge.write_bytes((TOP / "tests/http/browser.mjs").read_bytes())
        pictures = TOP / "target/http-pictures"
        command = ["node", judge, served.address, served.repository, pull, pictures]
        ran = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"})
        sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
