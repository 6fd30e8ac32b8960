"""schemathesis over the OpenAPI document: no 5xx, and every status and body as documented."""

import os
import pathlib
import subprocess
import sys
import tempfile

from server import TOP, bash, script, serve

EXAMPLES = 40

# Requests ask for JSON rather than a stream, and some of the valid ones name a repository and a session that exist.
HOOKS = """
import os
import random

import schemathesis

CHANCE = random.Random(1)
REPOSITORY, SESSION = os.environ["JUDGED_REPOSITORY"], os.environ["JUDGED_SESSION"]


@schemathesis.hook
def before_call(context, case, **kwargs):
    case.headers = {**(case.headers or {}), "Accept": "application/json"}
    if case.path_parameters and "sessions" in case.path and CHANCE.random() < 0.5:
        case.path_parameters["id"] = SESSION
    if isinstance(case.body, dict) and isinstance(case.body.get("repoUrl"), str) and CHANCE.random() < 0.3:
        case.body["repoUrl"] = REPOSITORY
"""

CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "unsupported_method", "allow_header_conformance", "negative_data_rejection",
])


def main() -> None:
    with serve(script(bash("echo two >> a.txt"))) as server, tempfile.TemporaryDirectory() as directory:
        session = server.begin()
        server.wait(session)
        hooks = pathlib.Path(directory) / "hooks.py"
        hooks.write_text(HOOKS)
        environment = {
            **os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": directory, "NO_COLOR": "1",
            "JUDGED_REPOSITORY": str(server.repository), "JUDGED_SESSION": session,
        }
        command = [
            TOP / "target/tools/http/venv/bin/schemathesis", "run", f"{server.address}/openapi.json", "--checks", CHECKS,
            "--max-examples", str(EXAMPLES), "--seed", "1", "--phases", "examples,coverage,fuzzing", "--continue-on-failure",
            "--suppress-health-check", "all", "--warnings", "off",
        ]
        ran = subprocess.run(command, env=environment, cwd=directory)
        # Ends the sessions that valid requests started.
        cursor = ""
        while cursor is not None:
            _, page = server.request("GET", f"/sessions?limit=100{cursor}")
            for started in page["sessions"]:
                server.request("POST", f"/sessions/{started['id']}/cancel", {})
            for started in page["sessions"]:
                server.wait(started["id"])
            cursor = f"&cursor={page['nextCursor']}" if page["nextCursor"] else None
        sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
