"""The view `ag-ui`, whole and gone on in many places, judged by AG-UI's own client."""

import os
import subprocess
import sys

from served import TOP, bash, script, serve


def main() -> None:
    todo = {"tools": [{"name": "update_todos", "input": {"items": [{"content": "Do it", "status": "in_progress"}]}}]}
    turns = [{"thinking": "First I look.", **bash("cat a.txt")}, todo, bash("echo two >> a.txt; false")]
    with serve(script(*turns)) as served:
        session = served.begin()
        last = served.wait(session)["id"]
        address = f"{served.address}/sessions/{session}/events?format=ag-ui"
        modules = TOP / "target/tools/http/node"
        # Modules are looked for from where the script is.
        judge = modules / "ag_ui.mjs"
        judge.write_bytes((TOP / "tests/http/ag_ui.mjs").read_bytes())
        addresses = [address, *(f"{address}&after={after}" for after in range(1, last))]
        ran = subprocess.run(["node", judge, *addresses], env={**os.environ, "NO_COLOR": "1"})
        sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
