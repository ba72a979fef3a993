"""The same responses as streams, with OpenAI's events."""

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from qa.conformance.upstream import answers
from qa.conformance.upstream.answers import CREATED, Json

DONE = b"data: [DONE]\n\n"
CUT = 5
"""Characters of a tool call's arguments in one event."""


def chat(body: Json) -> Iterator[bytes]:
    """Yield the events of POST /v1/chat/completions. The choices' events alternate."""
    count = body.get("n") or 1
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    deltas = [list(_deltas(body, place)) for place in range(count)]
    for turn in zip_longest(*deltas):
        for choice in turn:
            if choice is not None:
                yield _event(_chunk(body, [choice], {"usage": None} if with_usage else {}))
    if with_usage:
        yield _event(_chunk(body, [], {"usage": answers.token_usage(body)}))
    yield DONE


def _deltas(body: Json, place: int) -> Iterator[Json]:
    yield _choice(place, {"role": "assistant", "content": "", "refusal": None})
    calls = answers.tool_calls(body)
    for at, call in enumerate(calls):
        yield from _call_deltas(place, at, call)
    if not calls:
        for word in answers.split_words(answers.message_content(body, place)):
            logprobs = answers.token_logprobs(word.strip()) if body.get("logprobs") else None
            yield _choice(place, {"content": word}) | {"logprobs": logprobs}
    yield _choice(place, {}) | {"finish_reason": "tool_calls" if calls else "stop"}


def _call_deltas(place: int, at: int, call: Json) -> Iterator[Json]:
    """A call's name first, then its arguments in pieces."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    first = {"index": at, "id": call["id"], "type": "function", "function": {"name": name, "arguments": ""}}
    yield _choice(place, {"tool_calls": [first]})
    for start in range(0, len(arguments), CUT):
        piece = {"index": at, "function": {"arguments": arguments[start : start + CUT]}}
        yield _choice(place, {"tool_calls": [piece]})


def _choice(place: int, delta: Json) -> Json:
    return {"index": place, "delta": delta, "logprobs": None, "finish_reason": None}


def _chunk(body: Json, choices: list[Json], more: Json) -> Json:
    head = {"id": "chatcmpl-conformance", "object": "chat.completion.chunk", "created": CREATED}
    return {**head, "model": body["model"], "system_fingerprint": None, "choices": choices, **more}


def completion(body: Json) -> Iterator[bytes]:
    """Yield the events of POST /v1/completions."""
    whole = answers.completion_response(body)
    for choice in whole["choices"]:
        for word in answers.split_words(choice["text"]):
            piece = {**choice, "text": word, "finish_reason": None}
            yield _event({**_without_usage(whole), "choices": [piece]})
        yield _event({**_without_usage(whole), "choices": [{**choice, "text": ""}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _event({**whole, "choices": []})
    yield DONE


def _without_usage(whole: Json) -> Json:
    return {name: value for name, value in whole.items() if name != "usage"}


def response(body: Json) -> Iterator[bytes]:
    """Yield the events of POST /v1/responses: named events, no [DONE]."""
    whole = answers.responses_response(body)
    in_progress = answers.responses_response(body, "in_progress")
    events: list[tuple[str, Json]] = [
        ("response.created", {"response": in_progress}),
        ("response.in_progress", {"response": in_progress}),
    ]
    for place, item in enumerate(whole["output"]):
        at = {"item_id": item["id"], "output_index": place}
        events += _message_events(item, at) if item["type"] == "message" else _call_events(item, at)
    events.append(("response.completed", {"response": whole}))
    for number, (name, more) in enumerate(events):
        yield f"event: {name}\n".encode() + _event({"type": name, "sequence_number": number, **more})


def _message_events(item: Json, at: Json) -> list[tuple[str, Json]]:
    part = item["content"][0]
    place, at = {"output_index": at["output_index"]}, {**at, "content_index": 0}
    return [
        ("response.output_item.added", {**place, "item": {**item, "status": "in_progress", "content": []}}),
        ("response.content_part.added", {**at, "part": {**part, "text": ""}}),
        *(
            ("response.output_text.delta", {**at, "delta": word, "logprobs": []})
            for word in answers.split_words(part["text"])
        ),
        ("response.output_text.done", {**at, "text": part["text"], "logprobs": []}),
        ("response.content_part.done", {**at, "part": part}),
        ("response.output_item.done", {**place, "item": item}),
    ]


def _call_events(item: Json, at: Json) -> list[tuple[str, Json]]:
    text, place = item["arguments"], {"output_index": at["output_index"]}
    pieces = [text[start : start + CUT] for start in range(0, len(text), CUT)]
    return [
        ("response.output_item.added", {**place, "item": {**item, "status": "in_progress", "arguments": ""}}),
        *(("response.function_call_arguments.delta", {**at, "delta": piece}) for piece in pieces),
        ("response.function_call_arguments.done", {**at, "name": item["name"], "arguments": text}),
        ("response.output_item.done", {**place, "item": item}),
    ]


def _event(data: Any) -> bytes:
    return (
        b"data: "
        + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
        + b"\n\n"
    )
