"""The classic curl command, and two older clients that read its answer: each tool shows once, and the pull request is found."""

import json
import subprocess

from server import TOP, bash, script, serve

READERS = TOP / "tests/fixtures/readers"


def editor(**arguments: object) -> dict:
    """A turn with one call of the edit tool."""
    return {"text": "Editing.", "tools": [{"name": "str_replace_based_edit_tool", "input": arguments}]}


TURNS = [
    bash("cat a.txt"),
    editor(command="view", path="b.txt"),
    editor(command="str_replace", path="b.txt", old_str="two", new_str="three"),
    editor(command="create", path="c.txt", file_text="new\n"),
]


def main() -> None:
    with serve(script(*TURNS)) as server:
        for form in ("", "?format=classic"):
            body = json.dumps({"repoUrl": str(server.repository), "prompt": "Change it."})
            command_line = f"curl -X POST http://localhost:{server.port}/code{form} -H \"Content-Type: application/json\" -d '{body}'"
            ran = subprocess.run(["bash", "-c", command_line], capture_output=True, check=True, timeout=120)
            read = {}
            for name, command in (("challenge_example.py", "python3"), ("first_front_end.mjs", "node")):
                reader = subprocess.run([command, READERS / name], input=ran.stdout, capture_output=True, check=True)
                read[name] = json.loads(reader.stdout)
            challenge, front_end = read["challenge_example.py"], read["first_front_end.mjs"]
            tools = [tool[0] for tool in challenge["tools"]]
            assert tools == ["Bash", "Read", "Edit", "Write"], tools
            assert challenge["tools"][0][1:] == ["cat a.txt", "one\n"], challenge["tools"][0]
            assert challenge["tools"][2][2:] == ["two", "three"], challenge["tools"][2]
            assert "Working on it." in challenge["said"] and "Editing." in challenge["said"]
            assert front_end["status"] == "success", front_end["status"]
            assert challenge["url"] == front_end["prUrl"] and "/pulls/" in front_end["prUrl"], front_end["prUrl"]
            # The first front end showed "undefined" for what had no message.
            assert all(isinstance(entry.get("message"), str) for entry in front_end["log"])
            print(f"readers{form}: two older clients saw {len(tools)} tools once each, "
                  f"{len(front_end['log'])} messages, and {front_end['prUrl'].rsplit('/pulls/', 1)[0]}/pulls/…")


if __name__ == "__main__":
    main()
