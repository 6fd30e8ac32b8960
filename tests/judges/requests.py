"""Every body that our client sent, against the request types of the vendor's Python package: nothing missing, nothing more.

Usage: requests.py DIRECTORY. The bodies were kept by the stand-ins of a test run (BACKSPACE_STAND_IN_RECORD).
"""

import json
import pathlib
import sys
import typing
import warnings

import anthropic
import pydantic
import pydantic_core
import typing_extensions
from anthropic.types import message_create_params


def is_typed_dict(kind):
    return typing_extensions.is_typeddict(kind) or typing.is_typeddict(kind)


def forbid_extra_fields():
    """A TypedDict takes any further field unless it is told not to."""
    count = 0
    for name, module in list(sys.modules.items()):
        if not name.startswith("anthropic.types") or module is None:
            continue
        for kind in vars(module).values():
            if is_typed_dict(kind) and "__pydantic_config__" not in vars(kind):
                kind.__pydantic_config__ = {"extra": "forbid"}
                count += 1
    return count


def forbid_answers():
    """Messages may hold blocks as the package received them; those types take any field, and no body of ours is made of them."""
    only_instances = classmethod(lambda kind, source, handler: pydantic_core.core_schema.is_instance_schema(kind))
    anthropic.BaseModel.__get_pydantic_core_schema__ = only_instances


def forced(value):
    """Lists of these types are read lazily; walking through them is what checks their items."""
    if isinstance(value, dict):
        for item in value.values():
            forced(item)
    elif not isinstance(value, (str, bytes, int, float, bool, type(None))):
        for item in value:
            forced(item)


def main():
    # One type of the beta features says itself that it takes more; we send nothing of it.
    warnings.simplefilter("ignore")
    directory = pathlib.Path(sys.argv[1])
    forbid_answers()
    forbidden = forbid_extra_fields()
    assert forbidden > 100, f"only {forbidden} types were made strict"
    plain = pydantic.TypeAdapter(message_create_params.MessageCreateParamsStreaming)

    def check(body):
        forced(plain.validate_python(body))

    # A judge that lets everything pass is none.
    sound = {"model": "m", "max_tokens": 1, "stream": True, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}
    check(sound)
    text = {"type": "text", "text": "x"}
    for slip in (
        {"temperature": 1.0},
        {"max_tokens": "many"},
        {"tools": [{"name": "x", "input_schema": {"type": "object"}, "colour": "red"}]},
        {"messages": [{"role": "user", "content": [{**text, "cache_control": {"type": "ephemeral", "ttl": "2h"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
        {"messages": [{"role": "tool", "content": [text]}]},
        {"output_config": {"effort": "huge"}},
    ):
        try:
            check({**sound, **slip})
        except pydantic.ValidationError:
            continue
        sys.exit(f"the judge does not see {slip}")

    bodies = sorted(directory.glob("*.json"))
    wrong = 0
    seen = {"cache marks": 0, "tools": 0, "structured output": 0, "diagnostics": 0, "tool results": 0}
    for path in bodies:
        text = path.read_text()
        body = json.loads(text)
        seen["cache marks"] += "cache_control" in text
        seen["tools"] += "tools" in body
        seen["structured output"] += "format" in body.get("output_config", {})
        seen["diagnostics"] += bool((body.get("diagnostics") or {}).get("previous_message_id"))
        seen["tool results"] += '"tool_result"' in text
        try:
            check(body)
        except pydantic.ValidationError as error:
            wrong += 1
            print(f"{path.name}: {error}"[:2000])
    print(f"{len(bodies)} bodies of our client, {wrong} of them wrong; " + ", ".join(f"{n} with {what}" for what, n in seen.items()))
    if not bodies or wrong or not all(seen.values()):
        sys.exit("no body may be wrong, and of each kind there has to be one")


main()
