"""Usage that a response reports while it passes, and the ID of what it made.

| endpoint | what its answer tells | source |
|---|---|---|
| images | usage.input_tokens, output_tokens; the same in a stream's last event | API reference, "Image generation response" |
| transcriptions | usage.type tokens: input_tokens, output_tokens; duration: seconds, which are no tokens | "Create transcription" |
| speech | nothing; in a stream `speech.audio.done` has usage | "Create speech" |
| rerank | usage.total_tokens (Jina, Voyage, vLLM): all of it input; meta.tokens.input_tokens (Cohere) | their references |
| moderations, translations | nothing | API reference |
"""  # noqa: E501 - a table

import json
import re
from typing import Any

from gateway.http.headers import Headers
from gateway.http.sse import is_event_stream
from gateway.http.token_usage import StreamTail, Usage, UsageReport, read_counts

WHOLE_BYTES = 256 * 1024
"""Up to this size a body is parsed as a whole. Larger ones are images: their usage is looked for at both ends."""

_USAGE = re.compile(rb'"usage"\s*:\s*(?=\{)')
_DECODER = json.JSONDecoder()


class ResponseInspector:
    """Inspector of one response."""

    def __init__(self, headers: Headers) -> None:
        self._is_events = is_event_stream(headers)
        self._is_json = any(name == b"content-type" and b"json" in value for name, value in headers)
        self._tail = StreamTail()
        self._whole: list[bytes] | None = [] if self._is_json else None
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        if not (self._is_events or self._is_json):
            return
        self._size += len(piece)
        self._tail.feed(piece)
        if self._whole is not None and self._size <= WHOLE_BYTES:
            self._whole.append(piece)
        else:
            self._whole = None

    def find_usage(self) -> UsageReport:
        """Return the usage that the response reports, None without any."""
        if self._is_events:
            return self._tail.find_usage()
        document = self._document()
        if document is not None:
            return _read_document(document)
        if not self._is_json:
            return None
        for found in reversed(list(_USAGE.finditer(self._tail.content))):
            if (counts := _object_at(self._tail.content, found.end())) is not None:
                return read_counts(counts)
        return None

    def find_id(self) -> str | None:
        """Return the ID of the object that the response is, None where it is none."""
        found = (self._document() or {}).get("id")
        return found if isinstance(found, str) else None

    def _document(self) -> dict[str, Any] | None:
        if self._whole is None:
            return None
        try:
            document = json.loads(b"".join(self._whole))
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


def _read_document(document: dict[str, Any]) -> UsageReport:
    usage, meta = document.get("usage"), document.get("meta")
    if isinstance(meta, dict) and isinstance(meta.get("tokens"), dict):
        usage = usage if isinstance(usage, dict) else meta["tokens"]
    if not isinstance(usage, dict):
        return None
    report = read_counts(usage)
    if report is not None or "total_tokens" not in usage:
        return report
    # A model without an output reports one number: it is all input.
    report = read_counts({"prompt_tokens": usage["total_tokens"]})
    return Usage(report.input_tokens, 0) if isinstance(report, Usage) else report


def _object_at(data: bytes, place: int) -> dict[str, Any] | None:
    try:
        found, _ = _DECODER.raw_decode(data[place:].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
