"""Stand-ins for hosted providers: loopback servers that list many models and answer each request with a fixed text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler

from demo.loopback import serve_handler
from gateway.cli.init.providers import HOSTED

LISTED: Mapping[str, Sequence[str]] = {
    "openai": ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-mini", "o3", "text-embedding-3-small", "whisper-1"),
    "anthropic": ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1"),
    "gemini": ("models/gemini-2.5-pro", "models/gemini-2.5-flash", "models/gemini-embedding-001"),
}
"""Models by provider, spelled as the provider lists them."""

ANSWER = "Done."


@contextmanager
def run_providers(keys: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Run the providers during the block; yields their base URLs. keys: the API key that each of them accepts."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(_serve_provider(LISTED[name], key)) for name, key in keys.items()}


def key_variable(provider: str) -> str:
    """Return the environment variable in which `benchroute init` looks for a provider's key."""
    return next(one.variable or "" for one in HOSTED if one.name == provider)


@contextmanager
def _serve_provider(models: Sequence[str], key: str) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"models": models, "key": key})
    with serve_handler(handler) as url:
        yield f"{url}/v1"


class _Handler(BaseHTTPRequestHandler):
    """GET /v1/models and POST /v1/chat/completions, with a key."""

    protocol_version = "HTTP/1.1"
    models: Sequence[str] = ()
    key = ""

    def do_GET(self) -> None:
        """List the models."""
        self._answer({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    def do_POST(self) -> None:
        """Answer a chat completion. Tokens are words."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        read = sum(len(str(message["content"]).split()) for message in body["messages"])
        usage = {"prompt_tokens": read, "completion_tokens": 1, "total_tokens": read + 1}
        message = {"role": "assistant", "content": ANSWER}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        self._answer(
            {"id": "c", "object": "chat.completion", "model": body["model"], "choices": choices, "usage": usage}
        )

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""

    def _answer(self, document: object) -> None:
        is_known = self.headers["authorization"] == f"Bearer {self.key}"
        body = json.dumps(document if is_known else {"error": {"message": "invalid key", "type": "auth"}}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
