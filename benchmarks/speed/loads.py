"""Loads: one conversation at several sizes and concurrencies, for backends of several kinds."""

import json
from dataclasses import dataclass

PATH = "/v1/chat/completions"
KEY = "sk-benchmark-0123456789"
WORDS = "The quick brown fox asks which city is the capital of France, and what else there is to know about it. "


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of request at one concurrency.

    Attributes:
        name: as in the JSON document.
        about: as in the tables.
        connections: concurrent connections.
        model: the backend: fast, slow (answers after 50 ms), or tls (over TLS).
        body_bytes: approximate size of the request's body.
        is_stream: True for an SSE stream.
    """

    name: str
    about: str
    connections: int
    model: str = "fast"
    body_bytes: int = 1024
    is_stream: bool = False

    @property
    def unit(self) -> str:
        """The unit that CPU time is divided by."""
        return "chunk" if self.is_stream else "request"

    def request(self, model: str, task: str) -> bytes:
        """Return the HTTP request, head and body. model: as the target names it."""
        messages = [{"role": "system", "content": "You are a helpful assistant."}, *self._conversation()]
        body = {"model": model, "messages": messages, "temperature": 0.7, "max_tokens": 256, "user": "user-0123456789"}
        data = json.dumps({**body, "stream": True} if self.is_stream else body).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: OpenAI/Python 1.99.0\r\n"
            f"accept: application/json\r\ncontent-type: application/json\r\nauthorization: Bearer {KEY}\r\n"
            f"x-task-id: {task}\r\n"
            f"content-length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def _conversation(self) -> list[dict[str, str]]:
        """Turns of at most a kilobyte each, as in a long conversation."""
        left, turns = self.body_bytes - 220, list[dict[str, str]]()
        while left > 0:
            size = min(left, 1000)
            text = (WORDS * (size // len(WORDS) + 1))[:size]
            turns.append({"role": "assistant" if len(turns) % 2 else "user", "content": text})
            left -= size + 40
        return turns


LOADS = (
    Load("small", "1 KB, 32 connections", 32),
    Load("streams", "SSE, 128 streams", 128, is_stream=True),
    Load("one", "1 KB, 1 connection", 1),
    Load("large", "100 KB bodies, 32 connections", 32, body_bytes=100 * 1024),
    Load("slow", "a backend of 50 ms, 128 connections", 128, model="slow"),
    Load("tls", "1 KB, 32 connections, TLS to the backend", 32, model="tls"),
)
