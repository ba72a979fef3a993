r"""Size of a conversation as a model sees it: characters of its text, and its media.

Read from the parsed JSON, so that `\u4e2d` counts as the one character. What a part is, its place says: a member of
`content`, of a tool's result, or an item of a list of input. Arguments of tools, their schemas and all else are data,
whatever their members are called, and count as text.

| part | OpenAI chat | /v1/responses | Anthropic |
|---|---|---|---|
| image | image_url | input_image, computer_screenshot, image_generation_call (result) | image (source) |
| audio | input_audio | input_audio | |
| file, document | file | input_file | document (source), container_upload |
| video | video_url (vLLM), video (Qwen) | input_video | |
| tool's result | role `tool`: content | function_call_output, computer_call_output: output | tool_result: content |

Sources: https://platform.openai.com/docs/api-reference/chat/create, https://platform.openai.com/docs/api-reference/responses,
https://docs.anthropic.com/en/api/messages, https://docs.vllm.ai/en/latest/features/multimodal_inputs
"""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

VISION, AUDIO = "vision", "audio"
MEDIA: Mapping[str, str | None] = {
    "image_url": VISION,
    "input_image": VISION,
    "image": VISION,
    "image_file": VISION,
    "computer_screenshot": VISION,
    "image_generation_call": None,
    "input_audio": AUDIO,
    "audio": AUDIO,
    "audio_url": AUDIO,
    "file": None,
    "input_file": None,
    "document": None,
    "container_upload": None,
    "video": None,
    "video_url": None,
    "input_video": None,
}
"""Type of a part, and the capability that it needs, where one is certain."""

PARTS = ("content", "output")
"""Members of a message, an item or a result that hold text or parts."""
TEXTS = ("text", "refusal", "thinking", "summary_text")
OPAQUE = frozenset(
    {
        *("type", "role", "id", "status", "call_id", "tool_call_id", "tool_use_id", "cache_control", "signature"),
        *("encrypted_content", "annotations", "logprobs", "is_error", "detail", "acknowledged_safety_checks"),
    }
)
"""Members that are no text to a model."""
CHARACTERS_PER_TOKEN = 4


class ContentSize(msgspec.Struct):
    """Size of content.

    Attributes:
        characters: of its text and data.
        utf8_bytes: of the same in UTF-8: scripts with more bytes a character have fewer characters a token.
        n_items: messages, items and parts, each of which a model's template puts a few tokens around.
        n_media: images, recordings, videos and files.
        capabilities: that its parts need.
    """

    characters: int = 0
    utf8_bytes: int = 0
    n_items: int = 0
    n_media: int = 0
    capabilities: frozenset[str] = frozenset()

    def add_json(self, content: bytes) -> None:
        """Add messages, a prompt, an input or instructions, as JSON. What is no JSON adds nothing."""
        # What is nested as deeply as only an attack is has the size of what was counted until then.
        with contextlib.suppress(RecursionError):
            self._add_item(_decode(content))

    def add_data_json(self, content: bytes) -> None:
        """Add what a model reads as JSON, such as tools. What is no JSON adds nothing."""
        with contextlib.suppress(RecursionError):
            found = _decode(content)
            if found is not None:
                self._add_data(found)

    def _add_data(self, value: Any) -> None:
        self._add_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def _add_item(self, item: Any) -> None:
        if isinstance(item, str):
            self._add_text(item)
        elif isinstance(item, int):
            self.characters += CHARACTERS_PER_TOKEN
            self.utf8_bytes += CHARACTERS_PER_TOKEN
        elif isinstance(item, list):
            for one in item:
                self._add_item(one)
        elif isinstance(item, dict):
            self._add_part(item)

    def _add_part(self, part: dict[str, Any]) -> None:
        """Add a message, an item of input, or a part of either."""
        self.n_items += 1
        kind = part.get("type")
        # Some servers take a part without its type.
        kinds = (kind,) if isinstance(kind, str) else () if "role" in part else tuple(part)
        media = next((name for name in kinds if name in MEDIA), None)
        if media is not None:
            self._add_medium(part, media)
            return
        for name, value in part.items():
            if name in PARTS and not isinstance(value, int):
                self._add_item(value)
            elif name in TEXTS and isinstance(value, str):
                self._add_text(value)
            # "redacted_thinking" holds encrypted data.
            elif name not in OPAQUE and value is not None and (name, kind) != ("data", "redacted_thinking"):
                self._add_data(value)

    def _add_medium(self, part: dict[str, Any], kind: str) -> None:
        source = part.get("source")
        # Anthropic's documents can be text, or parts.
        if isinstance(source, dict) and source.get("type") == "text":
            self._add_item(source.get("data"))
            return
        if isinstance(source, dict) and source.get("type") == "content":
            self._add_item(source.get("content"))
            return
        self.n_media += 1
        capability = MEDIA[kind]
        if capability is not None:
            self.capabilities |= {capability}

    def _add_text(self, text: str) -> None:
        self.characters += len(text)
        self.utf8_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _decode(content: bytes) -> Any:
    """Return the value of JSON; None for what is none, or is nested too deeply."""
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        return None
    except msgspec.MsgspecError:
        # Half of a surrogate pair, which JavaScript clients send.
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            return None
