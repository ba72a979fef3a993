"""Requests that all clients send, and the responses that the upstream gives to them.

Every check's request contains a marker of its own, by which the upstream finds the exchange.
"""

import json
from typing import Any

from qa.conformance.servers import Target
from qa.conformance.upstream.answers import ECHO

MODEL = "gpt-conformance"
TEXT = 'Grüße aus Köln 😀 "quoted" \\n and the marker'

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "place_order",
            "description": "Orders articles.",
            "parameters": {
                "type": "object",
                "properties": {
                    "customer": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "id": {"type": "integer"}},
                    },
                    "lines": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "article": {"type": "string", "enum": ["chair", "table"]},
                                "pieces": {"type": "integer"},
                            },
                        },
                    },
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
                "required": ["customer", "lines"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "tell_time",
            "description": "The time somewhere.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    },
]


def chat_messages(mark: str) -> Any:
    """Return messages that contain the marker."""
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{TEXT} {mark}"}]


def sent_text(mark: str) -> str:
    """Return the upstream's text for these messages."""
    return f"{ECHO}{TEXT} {mark}"


def sent_json(target: Target, mark: str) -> Any:
    """Return the upstream's first response to a request with the marker."""
    return json.loads(target.exchanges(mark)[0].sent)


def chat_body(mark: str, **more: Any) -> bytes:
    """Return the body of a chat completion with the marker."""
    return json.dumps({"model": MODEL, "messages": chat_messages(mark), **more}).encode()
