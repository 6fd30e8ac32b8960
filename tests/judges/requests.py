"""Checks every request body of our client against the types of Anthropic's Python package: no field missing, no unknown field.

Usage: requests.py DIRECTORY. The stand-ins of a test run recorded the bodies there (BACKSPACE_STAND_IN_RECORD).
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
    """Makes the package's types refuse unknown fields, which a TypedDict accepts by default. Returns how many there are."""
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
    """The types also accept blocks as the package received them, with any field. Our bodies have none, so these are refused."""
    only_instances = classmethod(lambda kind, source, handler: pydantic_core.core_schema.is_instance_schema(kind))
    anthropic.BaseModel.__get_pydantic_core_schema__ = only_instances


def read_all(value):
    """Walks through a value: pydantic validates the items of these lists only when they are read."""
    if isinstance(value, dict):
        for item in value.values():
            read_all(item)
    elif not isinstance(value, (str, bytes, int, float, bool, type(None))):
        for item in value:
            read_all(item)


def main():
    # One type of the beta features declares that it accepts unknown fields and causes a warning; we do not use it.
    warnings.simplefilter("ignore")
    directory = pathlib.Path(sys.argv[1])
    forbid_answers()
    forbidden = forbid_extra_fields()
    assert forbidden > 100, f"only {forbidden} types were made strict"
    plain = pydantic.TypeAdapter(message_create_params.MessageCreateParamsStreaming)

    def check(body):
        read_all(plain.validate_python(body))

    # A sound body passes, and each mistake is found.
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
        sys.exit(f"the check does not find {slip}")

    bodies = sorted(directory.glob("*.json"))
    wrong = 0
    seen = {"cache breakpoints": 0, "tools": 0, "structured output": 0, "diagnostics": 0, "tool results": 0}
    for path in bodies:
        text = path.read_text()
        body = json.loads(text)
        seen["cache breakpoints"] += "cache_control" in text
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
        sys.exit("no body may be wrong, and there must be one of each kind")


main()
