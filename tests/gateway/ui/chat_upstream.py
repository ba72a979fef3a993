"""A real HTTP server on loopback whose chat answers the model's name selects: code, tools, broken streams."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500}
HOSTILE = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'>\n"
    "```\"><img src=x onerror='window.pwned=3'>\n</code></pre><script>window.pwned = 4</script>\n```\n[x](javascript:1)"
)
CODE = "Use `len`:\n\n```python\nprint(len('abc'))\n```\nDone."
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
GAP_S = 0.02

Message = dict[str, Any]


@dataclass
class ChatUpstream:
    """The bodies received so far, and the number of streams that the gateway closed before their end."""

    base_url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0

    def bodies_of(self, model: str) -> list[dict[str, Any]]:
        """Return the bodies of requests for one model."""
        return [body for body in self.bodies if body["model"] == model]


def answer_of(body: dict[str, Any]) -> tuple[Message, str]:
    """Return the message and the finish reason of a model."""
    messages = body["messages"]
    texts = [one["content"] for one in messages if one["role"] == "user"]
    match body["model"]:
        case "code":
            return {"content": CODE}, "stop"
        case "hostile":
            return {"content": HOSTILE, "reasoning_content": HOSTILE}, "stop"
        case "thinks":
            return {"reasoning_content": "Two and two make four.", "content": "4"}, "stop"
        case "refuses":
            return {"refusal": "I cannot help with that."}, "content_filter"
        case "cut":
            return {"content": "It begins with"}, "length"
        case "calls" if messages[-1]["role"] != "tool":
            return {"tool_calls": [CALL]}, "tool_calls"
        case "calls":
            return {"content": f"It is {messages[-1]['content']}."}, "stop"
    return {"content": f"Turn {len(texts)}: {json.dumps(texts[-1])[:200]}"}, "stop"


def deltas_of(message: Message) -> Iterator[Message]:
    """Yield a message in pieces: texts by some characters, a tool call's arguments too."""
    for name in ("reasoning_content", "content", "refusal"):
        text = message.get(name, "")
        yield from ({name: text[start : start + 7]} for start in range(0, len(text), 7))
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        yield {"tool_calls": [{"index": index, **call, "function": {"name": function["name"], "arguments": ""}}]}
        for piece in (function["arguments"][:6], function["arguments"][6:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


@contextmanager
def running_chat_upstream() -> Iterator[ChatUpstream]:
    """Run the server in threads of its own during the block."""
    upstream = ChatUpstream("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            upstream.bodies.append(body)
            if body["model"] == "fails":
                error = {"message": "max_tokens is too large", "type": "invalid_request_error", "code": "too_large"}
                self._send_json(400, {"error": error})
            elif body.get("stream"):
                self._stream(body)
            else:
                message, reason = answer_of(body)
                choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
                self._send_json(200, {"object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE})

        def _send_json(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, body: dict[str, Any]) -> None:
            self.close_connection = True
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            try:
                self._write_answer(body)
            except OSError:
                upstream.closed += 1

        def _write_answer(self, body: dict[str, Any]) -> None:
            if body["model"] == "endless":
                while True:
                    self._write_event({"choices": [{"index": 0, "delta": {"content": "more "}}]})
                    time.sleep(GAP_S)
            message, reason = answer_of(body)
            for delta in deltas_of(message):
                self._write_event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
                time.sleep(GAP_S)
                if body["model"] == "breaks":
                    return
            self._write_event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
            self._write_event({"choices": [], "usage": USAGE})
            self.wfile.write(b"data: [DONE]\n\n")

        def _write_event(self, chunk: dict[str, Any]) -> None:
            data = {"id": "c", "object": "chat.completion.chunk", "model": "m", **chunk}
            self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        upstream.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield upstream
        finally:
            server.shutdown()
            thread.join(10)
