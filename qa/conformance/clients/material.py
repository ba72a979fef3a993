"""What the clients ask for, and what the upstream then sent.

Every check's request holds a marker of its own, by which the upstream finds the exchange again.
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


def said(mark: str) -> Any:
    """Messages with the marker."""
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{TEXT} {mark}"}]


def sent_text(mark: str) -> str:
    """What the upstream answers to these messages."""
    return f"{ECHO}{TEXT} {mark}"


def sent_json(target: Target, mark: str) -> Any:
    """The upstream's first answer to a request with the marker."""
    return json.loads(target.exchanges(mark)[0].sent)


def chat_body(mark: str, **more: Any) -> bytes:
    """A chat completion's body."""
    return json.dumps({"model": MODEL, "messages": said(mark), **more}).encode()
