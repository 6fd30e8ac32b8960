"""Anthropic's Python package, with strict validation, as a client of our stand-in. Usage: stand_in.py URL"""

import json
import sys
import urllib.request

import anthropic
import pydantic
from anthropic.types import Message, RawMessageStreamEvent

URL = sys.argv[1]
MODEL = "claude-sonnet-5-5"
CLIENT = anthropic.Anthropic(api_key="key", base_url=URL, _strict_response_validation=True)
OLD = anthropic.Anthropic(api_key="key", base_url=URL, default_headers={"x-api-key": "key", "anthropic-version": "2023-06-01"})
EVENTS = pydantic.TypeAdapter(RawMessageStreamEvent)
VIEW = {"name": "view", "description": "Shows.", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}
LIST = {"name": "list", "description": "Lists.", "input_schema": {"type": "object", "properties": {}}}
checks = 0


def base(text, **more):
    thinking = {"type": "adaptive", "display": "summarized"}
    return {"model": MODEL, "max_tokens": 1000, "tools": [VIEW, LIST], "thinking": thinking, "messages": [{"role": "user", "content": text}], **more}


def expect(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"the Python package disagrees: {what}")


def streamed(params, client=CLIENT):
    with client.messages.stream(**params) as stream:
        for _ in stream:
            pass
        return stream.get_final_message()


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def without_unknown_fields(value, where):
    """Fails on unknown fields, which the package accepts: a misspelled field would be one."""
    if isinstance(value, pydantic.BaseModel):
        expect(not value.model_extra, f"{where}: unknown fields {value.model_extra}")
        for name in type(value).model_fields:
            without_unknown_fields(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            without_unknown_fields(item, f"{where}.{number}")


def raw_events(params):
    body = json.dumps({**params, "stream": True}).encode()
    headers = {"authorization": "Bearer key", "anthropic-version": "2026-10-21", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/v1/messages", body, headers)) as answer:
        lines = answer.read().decode().split("\n")
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


def every_event(name):
    for event in raw_events(base(name)):
        if event["type"] in ("ping", "stand_in_notice"):
            continue
        without_unknown_fields(EVENTS.validate_python(event, strict=False), f"{name} {event['type']}")


def fails(name, kind, requests=None, **options):
    client = CLIENT.with_options(**options) if options else CLIENT
    try:
        streamed(base(name), client)
    except kind as error:
        expect(True, name)
        return error
    except Exception as error:
        sys.exit(f"{name}: {type(error).__name__} and not {kind}: {error}")
    sys.exit(f"{name}: there was an answer")


def tool_loop():
    params = base("[tools]", diagnostics={"previous_message_id": None})
    rounds = 0
    while True:
        message = streamed(params)
        without_unknown_fields(message, "message")
        rounds += 1
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            break
        expect(message.stop_reason == "tool_use", "a call stops for its tools")
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "42"} for call in calls]
        params["messages"] += [message.to_param(), {"role": "user", "content": results}]
        params["diagnostics"] = {"previous_message_id": message.id}
        expect(message.diagnostics is None, f"nothing was changed: {message.diagnostics}")
    expect(rounds == 3 and text_of(message) == "Both say 42.", f"the loop took {rounds} rounds")
    params["tools"] = [VIEW]
    params["messages"] = params["messages"][:1]
    changed = streamed(params)
    expect(changed.diagnostics.cache_miss_reason.type == "tools_changed", "a change of the tools is reported as the cause of the cache miss")


def main():
    for name, stop in [
        ("[text]", "end_turn"), ("[max_tokens]", "max_tokens"), ("[refusal]", "refusal"), ("[refusal-bare]", "refusal"),
        ("[pause_turn]", "pause_turn"), ("[stop_sequence]", "stop_sequence"), ("[window]", "model_context_window_exceeded"),
        ("[splitUtf8]", "end_turn"), ("[slow]", "end_turn"), ("[tools]", "tool_use"),
    ]:
        every_event(name)
        message = streamed(base(name))
        without_unknown_fields(message, name)
        expect(message.stop_reason == stop, f"{name}: {message.stop_reason}")
        plain = CLIENT.messages.create(**base(name))
        without_unknown_fields(plain, name)
        # When the limit cuts a tool's input, a plain answer leaves it out, while a stream has its beginning.
        if name != "[max_tokens]":
            contents = [[block.to_dict() for block in answer.content] for answer in (plain, message)]
            for block in contents[1]:
                block.pop("parsed_output", None)
            expect(contents[0] == contents[1], f"{name}: streamed and plain are the same: {contents}")
        expect(isinstance(plain, Message), name)
    refused = streamed(base("[refusal]"))
    expect((refused.stop_details.category, refused.stop_details.explanation) == ("cyber", "It may do harm."), "why it is refused")
    tool_loop()
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "additionalProperties": False}
    plan = streamed(base("[plan]", output_config={"format": {"type": "json_schema", "schema": schema}}))
    expect(json.loads(text_of(plan))["title"] == "One", "structured output")

    counted = CLIENT.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "one two three"}])
    expect(counted.input_tokens > 0, "tokens are counted")
    models = list(CLIENT.models.list(limit=2))
    expect(len(models) > 5 and len({model.id for model in models}) == len(models), "pages of models follow each other")
    for model in models:
        without_unknown_fields(model, model.id)
    expect(CLIENT.models.retrieve(MODEL).max_input_tokens == 1_000_000, "one model")

    # In strict mode the package refuses events of unknown types; otherwise it ignores them.
    lenient = anthropic.Anthropic(api_key="key", base_url=URL)
    expect(text_of(streamed(base("[unknownEvent]"), lenient)) == "As always", "unknown events")
    expect(text_of(streamed(base("[text]"), OLD)).startswith("Grüße"), "the older version and its header for the key")

    for name in ("[429-once]", "[429-bare]", "[hangUp-once]"):
        expect(text_of(streamed(base(name))), f"{name} is asked again")
    fails("[429]", anthropic.RateLimitError)
    overloaded = fails("[529]", anthropic.APIStatusError)
    expect(overloaded.status_code == 529 and overloaded.body["error"]["type"] == "overloaded_error", "overloaded")
    expect(fails("[500]", anthropic.InternalServerError).status_code == 500, "500")
    fails("[no-retry]", anthropic.InternalServerError)
    expect(text_of(streamed(base("[no-retry]"))) == "Then", "x-should-retry: the client made only one request")
    expect(fails("[402]", anthropic.APIStatusError).status_code == 402, "billing")
    fails("[hangUp]", anthropic.APIConnectionError)
    fails("[late]", anthropic.APITimeoutError, timeout=0.5, max_retries=0)
    middle = fails("[errorEvent]", anthropic.APIStatusError)
    expect("overloaded_error" in str(middle), f"an error in mid-stream: {middle}")
    broken = (anthropic.APIError, Exception)
    for name, options in (("[cut]", {}), ("[stall]", {"timeout": 0.5})):
        error = fails(name, broken, **options)
        expect("Protocol" in type(error).__name__ or "Timeout" in type(error).__name__ or isinstance(error, anthropic.APIError),
               f"{name}: {type(error).__name__} {error}")

    for slip, words in [
        ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "is not supported for this model"),
        ({"tool_choice": {"type": "any"}}, "not supported for this model"),
        ({"messages": [{"role": "user", "content": "[text]"}, {"role": "assistant", "content": "I"}]}, "prefill"),
    ]:
        params = {**base("[text]"), **slip}
        extra = {"temperature": params.pop("temperature")} if "temperature" in params else None
        try:
            CLIENT.messages.create(**params, extra_body=extra)
            sys.exit(f"{slip} was accepted")
        except anthropic.BadRequestError as error:
            expect(words in str(error) and error.body["error"]["type"] == "invalid_request_error", f"{slip}: {error}")
    try:
        CLIENT.models.retrieve("claude-next-9")
        sys.exit("an unknown model was found")
    except anthropic.NotFoundError:
        expect(True, "unknown model")
    print(f"Python package {anthropic.__version__}: {checks} checks, strict")


main()
