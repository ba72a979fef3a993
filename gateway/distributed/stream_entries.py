"""A shard's stream, entry by entry: observations, and questions that wait their turn among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import StateError
from gateway.scorer.messages import Question

JSON, TEXT = b"j", b"t"
"""What an observation's body begins with: a request's JSON as it came, or its input, taken out already."""


class QueuedQuestion(msgspec.Struct, frozen=True):
    """A question, and the channel that its Reply goes to."""

    channel: str
    question: Question


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """producer, number: which gateway's, and which of its observations in this shard; number 0 for a question."""

    id: bytes
    task: str
    body: bytes
    producer: str = ""
    number: int = 0

    @property
    def is_question(self) -> bool:
        """Whether somebody waits for an answer."""
        return self.number == 0


_asked = msgspec.msgpack.Decoder(QueuedQuestion)


def parse_entries(answer: Sequence[tuple[bytes, Any]]) -> list[StreamEntry]:
    """What scripts.TAKE has read, with fields and values in a row, or XRANGE, whose fields redis-py puts in a dict."""
    return [
        _entry(place, fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True)))
        for place, fields in answer
    ]


def encode_question(channel: str, question: Question) -> bytes:
    """A question as it lies in the stream."""
    return msgspec.msgpack.encode(QueuedQuestion(channel, question))


def decode_question(body: bytes) -> QueuedQuestion:
    """Raises StateError for what question_bytes has not written."""
    try:
        return _asked.decode(body)
    except msgspec.MsgspecError as error:
        raise StateError(f"a question in a stream cannot be read: {error}") from error


def _entry(place: bytes, fields: Mapping[bytes, bytes]) -> StreamEntry:
    task = fields[b"t"].decode()
    if b"q" in fields:
        return StreamEntry(place, task, fields[b"q"])
    return StreamEntry(place, task, fields[b"b"], fields[b"p"].decode(), int(fields[b"c"]))
