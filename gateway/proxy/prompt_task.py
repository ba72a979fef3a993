"""The task of a request without a tag, by its system prompt.

A prompt that has been seen, byte for byte, costs a comparison; another one is parsed, masked and matched
(gateway.tasks.prompt_templates).
"""

import json
from collections import OrderedDict
from typing import Any

import msgspec

from gateway.http.endpoints import CHAT, MESSAGES, RESPONSES
from gateway.http.request_body import RequestBody
from gateway.tasks.prompt_templates import PromptTemplates

PROMPT_MEMBERS = {MESSAGES.path: "system", RESPONSES.path: "instructions"}
"""Endpoints that have a member for the system prompt."""
PROMPT_ROLES = ("system", "developer")
ROLE_MARKS = (b'"system"', b'"developer"')
MAX_LEADING = 3
"""Messages among which the first of a prompt's role is looked for."""
BUCKET = 96
"""Leading bytes of the messages by which known prompts are found."""
MAX_PER_BUCKET, MAX_BUCKETS = 8, 4096
MAX_PROMPT_BYTES = 64 * 1024
"""Bytes of a prompt that is remembered as it is; a longer one is matched by its beginning each time."""


Place = tuple[str | None, bytes]
"""Key and leading bytes."""


class KnownPrompt(msgspec.Struct, frozen=True, gc=False):
    """A prompt that has been matched.

    Attributes:
        data: the bytes that it was read from: a member's value, or the messages up to its end.
        tools: the bytes of `tools`, None without.
        task: its task, None where it has none.
    """

    data: bytes
    tools: bytes | None
    task: str | None


class PromptTasks:
    """Tasks by system prompt. Lives in the event loop."""

    def __init__(self, templates: PromptTemplates) -> None:
        self._templates = templates
        self._known: OrderedDict[Place, list[KnownPrompt]] = OrderedDict()

    def find_task(self, body: RequestBody, key: str | None) -> str | None:
        """Return the task of a request's system prompt; None without one. key: name of the client's key."""
        data = _prompt_bytes(body)
        if data is None:
            return None
        place = (key, data[:BUCKET])
        tools = body.members.get("tools")
        known = self._known.get(place)
        if known is not None:
            for one in known:
                # The messages that follow a prompt differ from request to request.
                if one.tools == tools and data.startswith(one.data):
                    return one.task
        return self._match(body, data, place, tools)

    def _match(
        self, body: RequestBody, data: bytes, place: tuple[str | None, bytes], tools: bytes | None
    ) -> str | None:
        found = _read_prompt(body, data)
        if found is None:
            return None
        prompt, end = found
        task = self._templates.find_task(place[0], prompt, _tool_names(tools))
        if end <= MAX_PROMPT_BYTES:
            self._remember(place, KnownPrompt(data[:end], tools, task))
        return task

    def _remember(self, place: Place, prompt: KnownPrompt) -> None:
        bucket = self._known.setdefault(place, [])
        bucket.insert(0, prompt)
        del bucket[MAX_PER_BUCKET:]
        self._known.move_to_end(place)
        if len(self._known) > MAX_BUCKETS:
            self._known.popitem(last=False)


def _prompt_bytes(body: RequestBody) -> bytes | None:
    """Return the bytes that begin with a system prompt, where there may be one."""
    member = PROMPT_MEMBERS.get(body.operation.path)
    if member is not None:
        return body.members.get(member)
    if body.operation is not CHAT:
        return None
    messages = body.members.get("messages", b"")
    return messages if ROLE_MARKS[0] in messages or ROLE_MARKS[1] in messages else None


def _read_prompt(body: RequestBody, data: bytes) -> tuple[str, int] | None:
    """Return the prompt's text, and the number of bytes up to its end; None where it has no text."""
    try:
        if body.operation is not CHAT:
            text = _text_of(json.loads(data))
            return (text, len(data)) if text else None
        return _read_message(data)
    except (ValueError, RecursionError):
        return None


def _read_message(data: bytes) -> tuple[str, int] | None:
    """Return the first prompt among the leading messages, and where it ends. Raises ValueError."""
    text = data.decode()
    scan, place = json.JSONDecoder().raw_decode, _skip(text, 1)
    for _ in range(MAX_LEADING):
        message, place = scan(text, place)
        if isinstance(message, dict) and message.get("role") in PROMPT_ROLES:
            prompt = _text_of(message.get("content"))
            return (prompt, len(text[:place].encode())) if prompt else None
        place = _skip(text, place)
        if text[place] != ",":
            return None
        place = _skip(text, place + 1)
    return None


def _skip(text: str, place: int) -> int:
    while text[place] in " \t\r\n":
        place += 1
    return place


def _text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _tool_names(tools: bytes | None) -> list[str]:
    """Return the names of the tools that a request offers, in OpenAI's and Anthropic's form."""
    try:
        listed = json.loads(tools or b"[]")
    except (ValueError, RecursionError):
        return []
    found = (_tool_name(tool) for tool in (listed if isinstance(listed, list) else []) if isinstance(tool, dict))
    return [name for name in found if isinstance(name, str)]


def _tool_name(tool: dict[str, Any]) -> object:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else tool.get("name")
