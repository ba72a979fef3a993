"""A provider on loopback with fixed answers, in the shapes that OpenAI's and Anthropic's references document.

Sources: https://platform.openai.com/docs/api-reference, https://docs.anthropic.com/en/api/messages,
https://docs.cohere.com/reference/rerank
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from demo.loopback import serve_handler

TEXT = "You can return it within 30 days."
USAGE = {"prompt_tokens": 14, "completion_tokens": 9, "total_tokens": 23}
OUTPUT = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"}
RESPONSE = {
    "id": "resp_68a1",
    "object": "response",
    "created_at": 1764288000,
    "status": "completed",
    "model": "gpt-4.1-mini",
    "output": [{**OUTPUT, "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}],
    "usage": {"input_tokens": 14, "output_tokens": 9, "total_tokens": 23},
}
FILE = {
    "id": "file-68a1",
    "object": "file",
    "bytes": 120,
    "created_at": 1764288000,
    "filename": "requests.jsonl",
    "purpose": "batch",
}
BATCH = {
    "id": "batch_68a1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-68a1",
    "completion_window": "24h",
    "status": "in_progress",
    "created_at": 1764288000,
}
CONVERSATION = {"id": "conv_68a1", "object": "conversation", "created_at": 1764288000, "metadata": {"topic": "returns"}}
ITEM = {"type": "message", "id": "msg_1", "status": "completed", "role": "user"}
ITEMS = {"object": "list", "data": [{**ITEM, "content": [{"type": "input_text", "text": "Hello"}]}], "has_more": False}
IMAGE = {"created": 1764288000, "data": [{"b64_json": "iVBORw0KGgo"}]}
MESSAGE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4.5",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 14, "output_tokens": 9},
}
ANSWERS: Mapping[str, Any] = {
    r"POST /v1/completions": {
        "id": "cmpl-68a1",
        "object": "text_completion",
        "created": 1764288000,
        "model": "gpt-4.1-mini",
        "choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}],
        "usage": USAGE,
    },
    r"POST /v1/embeddings": {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.0123, -0.0456, 0.0789]}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    },
    r"POST /v1/messages": MESSAGE,
    r"POST /v1/messages/count_tokens": {"input_tokens": 14},
    r"POST /v1/images/(generations|edits|variations)": IMAGE,
    r"POST /v1/audio/speech": b"\xff\xfb\x90\x00",
    r"POST /v1/audio/(transcriptions|translations)": {"text": "Where is my order?"},
    r"POST /v1/moderations": {
        "id": "modr-68a1",
        "model": "omni-moderation-latest",
        "results": [{"flagged": False, "categories": {"harassment": False}, "category_scores": {"harassment": 0.0001}}],
    },
    r"POST /v[12]/rerank": {"results": [{"index": 1, "relevance_score": 0.93}, {"index": 0, "relevance_score": 0.12}]},
    r"POST /v1/responses": RESPONSE,
    r"GET /v1/responses/[^/]+": RESPONSE,
    r"DELETE /v1/responses/[^/]+": {"id": "resp_68a1", "object": "response", "deleted": True},
    r"POST /v1/responses/[^/]+/cancel": {**RESPONSE, "status": "cancelled"},
    r"GET /v1/responses/[^/]+/input_items": ITEMS,
    r"POST /v1/conversations": CONVERSATION,
    r"(GET|POST) /v1/conversations/[^/]+": CONVERSATION,
    r"DELETE /v1/conversations/[^/]+": {"id": "conv_68a1", "object": "conversation.deleted", "deleted": True},
    r"(GET|POST) /v1/conversations/[^/]+/items": ITEMS,
    r"GET /v1/conversations/[^/]+/items/[^/]+": ITEMS["data"],
    r"DELETE /v1/conversations/[^/]+/items/[^/]+": CONVERSATION,
    r"POST /v1/files": FILE,
    r"GET /v1/files": {"object": "list", "data": [FILE], "has_more": False},
    r"GET /v1/files/[^/]+": FILE,
    r"DELETE /v1/files/[^/]+": {"id": "file-68a1", "object": "file", "deleted": True},
    r"GET /v1/files/[^/]+/content": b'{"custom_id": "1", "response": {"status_code": 200}}\n',
    r"POST /v1/batches": BATCH,
    r"GET /v1/batches": {"object": "list", "data": [BATCH], "has_more": False},
    r"GET /v1/batches/[^/]+": BATCH,
    r"POST /v1/batches/[^/]+/cancel": {**BATCH, "status": "cancelling"},
}
"""By method and path, as a regular expression; bytes are sent as they are."""


@contextmanager
def running_provider() -> Iterator[str]:
    """Run the provider during the block; yields its URL."""
    with serve_handler(_Handler) as url:
        yield url


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_POST(self) -> None:
        """Answer."""
        self._answer()

    def do_DELETE(self) -> None:
        """Answer."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = f"{self.command} {self.path.partition('?')[0]}"
        if asked == "POST /v1/chat/completions":
            return self._complete(json.loads(body))
        given = next((one for pattern, one in ANSWERS.items() if re.fullmatch(pattern, asked)), None)
        if given is None:
            return self._send(404, json.dumps({"error": {"message": f"no such endpoint: {asked}"}}).encode())
        kind = "application/octet-stream" if isinstance(given, bytes) else "application/json"
        return self._send(200, given if isinstance(given, bytes) else json.dumps(given).encode(), kind)

    def _complete(self, asked: dict[str, Any]) -> None:
        common = {"id": "chatcmpl-68a1", "created": 1764288000, "model": asked["model"]}
        if not asked.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
            answer = {**common, "object": "chat.completion", "choices": [choice], "usage": USAGE}
            return self._send(200, json.dumps(answer).encode())
        deltas = [{"content": piece} for piece in ("You can return it", " within 30 days.")]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": USAGE}]
        events = [json.dumps({**common, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
        body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
        return self._send(200, body.encode(), "text/event-stream")

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
