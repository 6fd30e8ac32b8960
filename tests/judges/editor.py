"""Our editing tools beside the reference ones in PyPI's anthropic, on the same generated files and calls.

Usage: editor.py ANSWER [SEED], with the toolbox's example `answer`. After each call both files must be the same, and both must have changed or both have refused. Where ours differs on purpose, REASONS says
when and why; a difference without a reason is a failure, and so is a reason that never applied.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
from collections import Counter
from types import SimpleNamespace

from anthropic.lib.tools import ToolError
from anthropic.tools.memory import BetaLocalFilesystemMemoryTool

CASES = 6000
ANSWER = sys.argv[1]

LINES = ["one", "two", "three", "", "aaa", "  indented", "\ttab", "naïve", "日本語", "e\u0301", "x = '$1'", "\\n", "one"]
ENDINGS = ["\n"] * 6 + ["\r\n"] * 2


class Ours:
    """The toolbox, answering requests on its standard input."""

    def __init__(self, place):
        self.place = place
        self.process = subprocess.Popen([ANSWER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, name, **fields):
        request = {"version": VERSION, "workspace": str(self.place / "memories"), "state": str(self.place / "state"), "call": {name: fields}}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer.get("ok"), answer.get("error")


def version():
    for line in pathlib.Path("shared/toolbox/src/protocol.rs").read_text().splitlines():
        if line.startswith("pub const VERSION: u32 = "):
            return int(line.removeprefix("pub const VERSION: u32 = ").rstrip(";"))
    raise SystemExit("the toolbox's version was not found")


VERSION = version()


def content(rng):
    lines = [rng.choice(LINES) for _ in range(rng.randrange(0, 8))]
    ending = rng.choice(ENDINGS)
    text = ending.join(lines)
    if lines and rng.random() < 0.8:
        text += ending
    return ("\ufeff" if rng.random() < 0.1 else "") + text


def piece(rng, text):
    """A text to look for: mostly one that is there."""
    if text and rng.random() < 0.8:
        start = rng.randrange(len(text))
        return text[start : start + rng.randrange(1, 12)]
    return rng.choice(["absent", "", "aa", "\n", "one\ntwo"])


def generate(rng):
    text = content(rng)
    kind = rng.choice(["str_replace", "str_replace", "insert", "view"])
    if kind == "str_replace":
        return text, kind, {"old_str": piece(rng, text), "new_str": rng.choice(["", "new", "new\n", "a\nb", "\r\n", "aa", "one"])}
    if kind == "insert":
        return text, kind, {"insert_line": rng.randrange(0, 10), "insert_text": rng.choice(["new", "new\n", "a\nb\n", "", "\n", "a\n\n"])}
    first = rng.randrange(-1, 9)
    return text, kind, {"view_range": rng.choice([None, [first, -1], [first, first + rng.randrange(0, 5)]])}


def count_overlapping(text, old):
    return sum(text.startswith(old, at) for at in range(len(text)))


# Name: whether it applies, and why ours is so.
REASONS = {
    "line endings": (
        lambda text, kind, call: "\r" in text or any("\r" in str(value) for value in call.values()),
        "a model need not know a file's line endings: what it writes with \\n matches and becomes \\r\\n in a file that has them",
    ),
    "overlapping": (
        lambda text, kind, call: kind == "str_replace" and call["old_str"] and text.count(call["old_str"]) == 1
        and count_overlapping(text, call["old_str"]) > 1,
        "overlapping occurrences make an edit ambiguous too",
    ),
    "nothing to do": (
        lambda text, kind, call: kind == "str_replace" and call["old_str"] == call["new_str"] or kind == "insert" and not call["insert_text"],
        "an edit that changes nothing is a mistake that the model should hear of",
    ),
    "empty text": (
        lambda text, kind, call: kind == "str_replace" and not call["old_str"],
        "an empty text stands nowhere; insert adds lines",
    ),
    "final newline": (
        lambda text, kind, call: kind == "insert" and text.lstrip("\ufeff") and not text.endswith("\n"),
        "a file without a newline at its end keeps that",
    ),
    "empty file": (
        lambda text, kind, call: not text.lstrip("\ufeff"),
        "an empty file has no line: a range of it is refused, and inserting into it adds no empty line",
    ),
    "empty lines": (
        lambda text, kind, call: kind == "insert" and (call["insert_text"].endswith("\n\n") or call["insert_text"] == "\n"),
        "empty lines at the end of what is inserted are inserted",
    ),
    "empty last line": (
        lambda text, kind, call: kind == "insert" and (text.endswith("\n\n") or text == "\n"),
        "the reference drops one of the empty lines at the end of the file",
    ),
    "byte order mark": (
        lambda text, kind, call: text.startswith("\ufeff"),
        "the mark stays at the beginning of the file, and is not shown",
    ),
    "range": (
        lambda text, kind, call: kind == "view" and call["view_range"] is not None,
        "a range that is not within the file is refused instead of cut, so that nobody takes the end for what was asked for",
    ),
}


def reference(tool, kind, call):
    command = SimpleNamespace(path="/memories/file", view_range=None)
    command.__dict__.update(call)
    try:
        return getattr(tool, kind)(command), None
    except ToolError as error:
        return None, str(error)


def shown(text, separator):
    """The numbered lines of a view, without what surrounds them."""
    lines = []
    for line in text.split("\n"):
        number, found, rest = line.partition(separator)
        if found and number.strip().isdigit():
            lines.append((int(number), rest))
    return lines


def compare(rng, tool, ours, theirs_file, ours_file):
    text, kind, call = generate(rng)
    for file in (theirs_file, ours_file):
        file.write_bytes(text.encode())
    theirs, their_error = reference(tool, kind, call)
    fields = {name: value for name, value in call.items() if value is not None}
    answer, our_error = ours.call(kind, path="file", **fields)
    same = (their_error is None) == (our_error is None)
    if kind == "view" and same and answer is not None:
        our_lines = shown(answer["view"]["text"], "\t")
        their_lines = shown(theirs, "\t")
        # The reference takes what is behind the last newline for a line.
        last = text.count("\n") + 1
        their_lines = [line for line in their_lines if line != (last, "") or not text.endswith("\n")]
        same = our_lines == their_lines
    elif same:
        same = theirs_file.read_bytes() == ours_file.read_bytes()
    if same:
        return None
    reasons = [name for name, (applies, _) in REASONS.items() if applies(text, kind, call)]
    if reasons:
        return reasons[0]
    return f"FAILED: {kind} {call} on {text!r}\n  theirs: {their_error or theirs_file.read_bytes()}\n  ours:   {our_error or ours_file.read_bytes()}"


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        theirs, own = pathlib.Path(place, "theirs"), pathlib.Path(place, "ours")
        tool = BetaLocalFilesystemMemoryTool(base_path=str(theirs))
        for directory in ("memories", "state"):
            (own / directory).mkdir(parents=True)
        ours = Ours(own)
        found = Counter()
        for _ in range(CASES):
            difference = compare(rng, tool, ours, theirs / "memories/file", own / "memories/file")
            if difference and difference.startswith("FAILED"):
                print(f"seed {seed}: {difference}")
                return 1
            found[difference or "same"] += 1
        ours.process.stdin.close()
        ours.process.wait()
    print(f"{found.pop('same')} of {CASES} the same (seed {seed}). Different on purpose:")
    for name, (_, why) in REASONS.items():
        print(f"  {found[name]:5} {name}: {why}")
    unused = [name for name in REASONS if not found[name]]
    if unused:
        print(f"reasons that never applied: {', '.join(unused)}")
    return 1 if unused else 0


sys.exit(main())
