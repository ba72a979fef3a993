"""Anthropic's /v1/messages: whole answers and events (https://docs.anthropic.com/en/api/messages)."""

import json
from collections.abc import Iterator

from qa.conformance.upstream.agent_tools import FEW, called_tools, told_text
from qa.conformance.upstream.answers import ECHO, Json, split_words
from qa.conformance.upstream.instances import instance

CUT = 5
"""Characters of a tool call's arguments in one event."""


def messages_response(body: Json) -> Json:
    """Return the response to POST /v1/messages: a call of every tool, or an echo of the last message."""
    calls = _tool_calls(body)
    return {
        "id": "msg_conformance",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": calls or [{"type": "text", "text": _text(body)}],
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": _usage(body),
    }


def count_tokens(body: Json) -> Json:
    """Return the response to POST /v1/messages/count_tokens."""
    return {"input_tokens": len(json.dumps(body["messages"]))}


def message_events(body: Json) -> Iterator[bytes]:
    """Yield the events of a streamed message."""
    whole = messages_response(body)
    usage = {**whole["usage"], "output_tokens": 1}
    begun = {**whole, "content": [], "stop_reason": None, "usage": usage}
    yield event("message_start", {"message": begun})
    for place, block in enumerate(whole["content"]):
        yield from _block_events(place, block)
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", {"delta": delta, "usage": {"output_tokens": whole["usage"]["output_tokens"]}})
    yield event("message_stop", {})


def event(name: str, more: Json) -> bytes:
    """Return one named event."""
    data = json.dumps({"type": name, **more}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode("utf-8", "backslashreplace")


def _block_events(place: int, block: Json) -> Iterator[bytes]:
    if block["type"] == "text":
        empty, pieces = {**block, "text": ""}, split_words(block["text"])
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    else:
        empty, text = {**block, "input": {}}, json.dumps(block["input"], ensure_ascii=False)
        pieces = [text[start : start + CUT] for start in range(0, len(text), CUT)]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    yield event("content_block_start", {"index": place, "content_block": empty})
    for delta in deltas:
        yield event("content_block_delta", {"index": place, "delta": delta})
    yield event("content_block_stop", {"index": place})


def _text(body: Json) -> str:
    if len(body.get("tools") or ()) > FEW:
        return told_text(body["messages"])
    expected = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    if expected.get("type") == "json_schema":
        return json.dumps(instance(expected["schema"]), ensure_ascii=False)
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return ECHO + content
    return ECHO + " ".join(part.get("text", f"({part['type']})") for part in content)


def _tool_calls(body: Json) -> list[Json]:
    if (body.get("tool_choice") or {}).get("type") == "none":
        return []
    content = body["messages"][-1]["content"]
    has_results = isinstance(content, list) and any(part["type"] == "tool_result" for part in content)
    tools = [(tool["name"], tool["input_schema"]) for tool in body.get("tools") or () if "input_schema" in tool]
    return [
        {"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": json.loads(arguments)}
        for place, (name, arguments) in enumerate(called_tools(body, tools, has_results))
    ]


def _usage(body: Json) -> Json:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": len(json.dumps(body["messages"])), "output_tokens": 11, **cached}
