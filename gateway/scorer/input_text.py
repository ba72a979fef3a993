"""The text of a request that is embedded. No text is no error: images are routed by the texts of their task."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from gateway.vocabulary import JSON_PATH

MAX_CHARACTERS = 8192
"""An embedder reads 256 to 512 tokens; more text would only cost time."""

TEXT_PARTS = ("text", "input_text")


class NoInputText(ValueError):
    """The observed `messages` cannot be read."""


def extract_text(messages: bytes, selector: str) -> str | None:
    """Return the input that a selector picks from a request's JSON, cut to MAX_CHARACTERS; None without any text.

    last_user, first_user: the last or first message of role user; all_user: all of them; all: all messages. A prompt is
    taken whole, and several are joined. A JSONPath takes texts out of what then is the whole body. Raises NoInputText.
    """
    try:
        found = json.loads(messages)
    except (ValueError, RecursionError) as error:
        raise NoInputText(f"messages are not JSON: {error}") from error
    if selector.startswith(JSON_PATH) and not isinstance(found, str):
        return _cut(_at(selector, found))
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        raise NoInputText("neither messages nor a prompt")
    prompts = [prompt for prompt in found if isinstance(prompt, str)]
    texts = prompts or [text for message in _selected(found, selector) for text in _texts(message)]
    return _cut(texts)


def _cut(texts: Iterable[str]) -> str | None:
    joined = "\n".join(texts)[:MAX_CHARACTERS]
    return joined if joined.strip() else None


def _at(path: str, body: Any) -> Iterator[str]:
    """Yield the texts at a JSONPath: strings, and those in messages and parts."""
    try:
        found = _compiled(path).findall(body)
    except Exception as error:  # whatever a client's body makes of the operator's path: one input, not the scorer
        raise NoInputText(f"{path} cannot be applied: {error}") from error
    for value in found:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts(value) if "content" in value else _texts({"content": [value]})


@cache
def _compiled(path: str) -> Any:
    """Compile a path of the operator's. Few configurations have one, and importing jsonpath takes a while."""
    import jsonpath

    return jsonpath.compile(path)


def _selected(messages: Sequence[Any], selector: str) -> Sequence[dict[str, Any]]:
    known = [message for message in messages if isinstance(message, dict)]
    if selector == "all":
        return known
    from_user = [message for message in known if message.get("role") == "user"]
    chosen = {"last_user": from_user[-1:], "first_user": from_user[:1]}
    return chosen.get(selector, from_user)


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") in TEXT_PARTS and isinstance(part.get("text"), str):
            yield part["text"]
