"""The endpoints that are forwarded to backends, and their differences.

Source: https://platform.openai.com/docs/api-reference
"""

from dataclasses import dataclass


# Compared by identity: the hash of a dataclass is a call in Python, and dicts of every request have endpoints as keys.
@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """An endpoint of the OpenAI or Anthropic API.

    Attributes:
        path: below /v1, and below a backend's base URL; with its version where that is another one.
        content: the member of the request body that holds the input.
        is_array: true where that member must be an array.
    """

    path: str
    content: str
    is_array: bool = False

    @property
    def public_path(self) -> str:
        """The path for clients."""
        return self.path if self.path.startswith("/v2/") else f"/v1{self.path}"


CHAT = Endpoint("/chat/completions", "messages", is_array=True)
COMPLETIONS = Endpoint("/completions", "prompt")
EMBEDDINGS = Endpoint("/embeddings", "input")
RESPONSES = Endpoint("/responses", "input")

MESSAGES = Endpoint("/messages", "messages", is_array=True)
"""Anthropic's endpoint (https://docs.anthropic.com/en/api/messages)."""

BY_PATH = {f"/v1{operation.path}": operation for operation in (CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, MESSAGES)}

USAGE_ON_REQUEST = (CHAT, COMPLETIONS)
"""Endpoints whose streams report token usage only where `stream_options.include_usage` asks for it."""
