"""A small server that speaks Anthropic's Messages API (https://docs.anthropic.com/en/api/messages), on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

USAGE = {"input_tokens": 3, "output_tokens": 2}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-test",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": USAGE},
    {"type": "message_stop"},
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: ClassVar[list[tuple[dict[str, str], dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.received.append((dict(self.headers), body))
        if body["model"] == "claude-busy":
            self._answer(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
        elif body["model"] == "claude-limited":
            told = {"type": "error", "error": {"type": "rate_limit_error", "message": "too many tokens"}}
            self._answer(429, told, {"retry-after": "9", "anthropic-ratelimit-tokens-remaining": "0"})
        elif body["model"] == "claude-gone":
            self._answer(404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-gone"}})
        elif body["model"] == "claude-picky":
            self._answer(
                400, {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: no"}}
            )
        elif body.get("stream"):
            events = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in EVENTS)
            self._send(200, "text/event-stream", events)
        else:
            self._answer(200, MESSAGE)

    def _answer(self, status: int, document: dict[str, Any], more: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(document).encode(), more or {})

    def _send(self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""


@contextmanager
def running_anthropic() -> Iterator[str]:
    """Gives its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
