"""Whole responses, each a pure function of the request."""

import base64
import json
import struct
from typing import Any

from qa.conformance.upstream.agent_tools import FEW, called_tools, told_text
from qa.conformance.upstream.instances import instance

CREATED = 1_700_000_000
ECHO = "you said: "
Json = dict[str, Any]


def chat_response(body: Json) -> Json:
    """Return the response to POST /v1/chat/completions."""
    return {
        "id": "chatcmpl-conformance",
        "object": "chat.completion",
        "created": CREATED,
        "model": body["model"],
        "choices": [_choice(body, place) for place in range(body.get("n") or 1)],
        "usage": token_usage(body),
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _choice(body: Json, place: int) -> Json:
    calls = tool_calls(body)
    text = message_content(body, place)
    message: Json = {"role": "assistant", "content": None if calls else text, "refusal": None, "annotations": []}
    return {
        "index": place,
        "message": {**message, "tool_calls": calls} if calls else message,
        "logprobs": token_logprobs(text) if body.get("logprobs") else None,
        "finish_reason": "tool_calls" if calls else "stop",
    }


def message_content(body: Json, place: int) -> str:
    """Return the text: an instance of the schema if one is given, else an echo of the last message."""
    if len(body.get("tools") or ()) > FEW or body["model"].startswith("agent"):
        return told_text(body["messages"])
    expected = body.get("response_format") or {}
    if expected.get("type") == "json_schema":
        return json.dumps(instance(expected["json_schema"]["schema"]), ensure_ascii=False)
    last = body["messages"][-1].get("content")
    text = last if isinstance(last, str) else json.dumps(last)
    return f"{ECHO}{text}" if place == 0 else f"{ECHO}{text} ({place})"


def tool_calls(body: Json) -> list[Json]:
    """Return one call of every tool, with arguments by its schema; none after a tool message."""
    if body.get("tool_choice") == "none":
        return []
    functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
    tools = [(function["name"], function.get("parameters") or {}) for function in functions]
    has_results = any(message["role"] == "tool" for message in body["messages"][-1:])
    return [
        {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(called_tools(body, tools, has_results))
    ]


def token_logprobs(text: str) -> Json:
    """Return one token per word."""
    tokens = [
        {"token": word, "logprob": -0.25, "bytes": list(word.encode()), "top_logprobs": []}
        for word in split_words(text)
    ]
    return {"content": tokens, "refusal": None}


def split_words(text: str) -> list[str]:
    """Split a text into pieces that concatenate to it."""
    pieces = text.split(" ")
    return [pieces[0], *(f" {piece}" for piece in pieces[1:])]


def token_usage(body: Json) -> Json:
    """Return the token counts."""
    asked = len(json.dumps(body["messages"] if "messages" in body else body.get("prompt", "")))
    return {
        "prompt_tokens": asked,
        "completion_tokens": 11,
        "total_tokens": asked + 11,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def completion_response(body: Json) -> Json:
    """Return the response to POST /v1/completions."""
    prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
    choices = [
        {"index": place, "text": f"{ECHO}{prompt}", "logprobs": None, "finish_reason": "stop"}
        for place, prompt in enumerate(prompts)
    ]
    head = {"id": "cmpl-conformance", "object": "text_completion", "created": CREATED, "model": body["model"]}
    return {**head, "choices": choices, "usage": token_usage(body)}


def embed_text(text: str) -> list[float]:
    """Return eight numbers that a float32 represents exactly."""
    return [(len(text) % 16) / 16, *(byte / 256 for byte in text.encode()[:7].ljust(7, b"\0"))]


def embeddings_response(body: Json) -> Json:
    """Return the response to POST /v1/embeddings."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [embed_text(text if isinstance(text, str) else json.dumps(text)) for text in texts]
    as_base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": place, "embedding": _packed(one) if as_base64 else one}
        for place, one in enumerate(vectors)
    ]
    used = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "data": data, "model": body["model"], "usage": used}


def _packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def responses_response(body: Json, status: str = "completed") -> Json:
    """Return the response to POST /v1/responses: a call of every function tool, or an echo of the input."""
    used = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    is_done = status == "completed"
    return {
        "id": "resp_conformance",
        "object": "response",
        "created_at": CREATED,
        "model": body["model"],
        "status": status,
        "output": _output_items(body) if is_done else [],
        "usage": {**used, **details} if is_done else None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }


def _output_items(body: Json) -> list[Json]:
    given = body.get("input", "")
    items = given if isinstance(given, list) else []
    tools = [(tool["name"], tool.get("parameters") or {}) for tool in body.get("tools") or () if _is_function(tool)]
    has_results = any(str(item.get("type", "")).endswith("_call_output") for item in items[-1:])
    calls = called_tools(body, tools, has_results)
    if calls:
        kind = {"type": "function_call", "status": "completed"}
        return [
            {**kind, "id": f"fc_{place}", "call_id": f"call_{place}", "name": name, "arguments": arguments}
            for place, (name, arguments) in enumerate(calls)
        ]
    part = {"type": "output_text", "text": _output_text(body, given), "annotations": [], "logprobs": []}
    return [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}]


def _is_function(tool: Json) -> bool:
    return tool.get("type") == "function"


def _output_text(body: Json, given: Any) -> str:
    if len(body.get("tools") or ()) > FEW:
        return told_text(given)
    expected = (body.get("text") or {}).get("format") or {}
    if expected.get("type") == "json_schema":
        return json.dumps(instance(expected["schema"]), ensure_ascii=False)
    return f"{ECHO}{given if isinstance(given, str) else json.dumps(given)}"
