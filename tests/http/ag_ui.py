"""The view `ag-ui`, read whole and from every event on, checked by AG-UI's own client."""

import os
import subprocess
import sys

from server import TOP, bash, script, serve


def main() -> None:
    todo = {"tools": [{"name": "update_todos", "input": {"items": [{"content": "Do it", "status": "in_progress"}]}}]}
    turns = [{"thinking": "First I look.", **bash("cat a.txt")}, todo, bash("echo two >> a.txt; false")]
    with serve(script(*turns)) as server:
        session = server.begin()
        last = server.wait(session)["id"]
        address = f"{server.address}/sessions/{session}/events?format=ag-ui"
        modules = TOP / "target/tools/http/node"
        # Node looks for modules from the script's directory, so the script is copied beside them.
        client = modules / "ag_ui.mjs"
        client.write_bytes((TOP / "tests/http/ag_ui.mjs").read_bytes())
        addresses = [address, *(f"{address}&after={after}" for after in range(1, last))]
        ran = subprocess.run(["node", client, *addresses], env={**os.environ, "NO_COLOR": "1"})
        sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
