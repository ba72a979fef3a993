"""The text of a request that is embedded. No text is no error: images are routed by what the task's texts say."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.scoring.messages import InputSelector

MAX_CHARACTERS = 8192
"""An embedder reads 256 to 512 tokens; what lies behind would only cost time."""

TEXT_PARTS = ("text", "input_text")


class NoMessages(ValueError):
    """What came as `messages` is not that."""


def text_of(messages: bytes, selector: InputSelector) -> str | None:
    """The input that a selector takes out of a request's (JSON), cut to MAX_CHARACTERS; None where there is no text.

    last_user: the last message of role user; all_user: all of them; all: all messages. A prompt is taken whole, and
    several are joined. Raises NoMessages.
    """
    try:
        found = json.loads(messages)
    except (ValueError, RecursionError) as error:
        raise NoMessages(f"messages are no JSON: {error}") from error
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        raise NoMessages("neither messages nor a prompt")
    prompts = [prompt for prompt in found if isinstance(prompt, str)]
    texts = prompts or [text for message in _selected(found, selector) for text in _texts(message)]
    joined = "\n".join(texts)[:MAX_CHARACTERS]
    return joined if joined.strip() else None


def _selected(messages: Sequence[Any], selector: InputSelector) -> Sequence[dict[str, Any]]:
    known = [message for message in messages if isinstance(message, dict)]
    if selector == "all":
        return known
    from_user = [message for message in known if message.get("role") == "user"]
    return from_user[-1:] if selector == "last_user" else from_user


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") in TEXT_PARTS and isinstance(part.get("text"), str):
            yield part["text"]
