"""Chromium watches a session whose streams end after a second each; pages of strangers are turned away."""

import os
import subprocess
import sys

from served import TOP, bash, script, serve


def main() -> None:
    # One second is the shortest life of a stream; the session takes several.
    turns = [bash(f"echo {n} >> a.txt; sleep 1") for n in range(4)]
    with serve(script(*turns), {"BACKSPACE_STREAM_SECONDS": "1"}) as served:
        first = served.begin()
        total = 0
        while True:
            _, page = served.request("GET", f"/sessions/{first}/events?after={total}&limit=1000")
            total = page["nextAfter"]
            if page["done"]:
                break
        pull = page["events"][-1]["pr_url"] if page["events"] else served.request("GET", f"/sessions/{first}")[1]["pr_url"]
        # The same script makes the same events, so their number is known before they are there.
        second = served.begin()
        modules = TOP / "target/tools/http/node"
        judge = modules / "browser.mjs"
        judge.write_bytes((TOP / "tests/http/browser.mjs").read_bytes())
        pictures = TOP / "target/http-pictures"
        command = ["node", judge, served.address, second, str(total), pull, pictures]
        ran = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"})
        served.request("POST", f"/sessions/{second}/cancel", {})
        sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
