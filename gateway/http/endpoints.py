"""The endpoints that go to backends, and in what they differ (https://platform.openai.com/docs/api-reference)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. path: below /v1 and below a backend's base URL. content: the member that holds the input.

    is_array: whether that member can only be an array. last_events: what a complete stream ends with: the last line of
    its data, or the names of its last event.
    """

    path: str
    content: str
    is_array: bool = False
    last_data: bytes = b"[DONE]"
    last_events: tuple[bytes, ...] = ()


CHAT = Endpoint("/chat/completions", "messages", is_array=True)
COMPLETIONS = Endpoint("/completions", "prompt")
EMBEDDINGS = Endpoint("/embeddings", "input")
RESPONSES = Endpoint(
    "/responses", "input", last_events=(b"response.completed", b"response.incomplete", b"response.failed")
)

MESSAGES = Endpoint("/messages", "messages", is_array=True, last_events=(b"message_stop",))
"""Anthropic's (https://docs.anthropic.com/en/api/messages)."""

BY_PATH = {f"/v1{operation.path}": operation for operation in (CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, MESSAGES)}

USAGE_ON_REQUEST = (CHAT, COMPLETIONS)
"""Whose streams tell what they took only where `stream_options.include_usage` asks for it."""
