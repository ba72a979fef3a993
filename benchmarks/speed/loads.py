"""What is asked: the same conversation, at different sizes and numbers, of backends that differ."""

import json
from dataclasses import dataclass

PATH = "/v1/chat/completions"
KEY = "sk-benchmark-0123456789"
WORDS = "The quick brown fox asks which city is the capital of France, and what else there is to know about it. "


@dataclass(frozen=True, slots=True)
class Load:
    """One thing that is asked.

    connections: how many ask at once. model: which of the backends is meant (fast, slow: after 50 ms, tls: over TLS).
    body_bytes: about. unit: what CPU time is counted for.
    """

    name: str
    about: str
    connections: int
    model: str = "fast"
    body_bytes: int = 1024
    is_stream: bool = False

    @property
    def unit(self) -> str:
        """What one counts."""
        return "chunk" if self.is_stream else "request"

    def request(self, model: str, task: str) -> bytes:
        """The whole HTTP request, with the model's name as the target wants it."""
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
        """Turns of a kilobyte at most each, as long conversations have them."""
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
