"""A request's body: read as little as possible, forward as it was written.

Re-encoding JSON changes it: thirty-digit integers turn into floats, lone surrogates are refused, nulls are dropped. So
only the top level is taken apart, every member's value stays the bytes that the client wrote, and forwarding writes
them one after the other again. A member that stands twice counts as its last, as in every common parser; the earlier
one is not forwarded, so nothing can be said to the gateway and something else to the backend.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from gateway.errors import InvalidRequest
from gateway.http.endpoints import Endpoint

Members = Mapping[str, bytes]
"""Member name -> the bytes of its value."""

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPACE = re.compile(r"[ \t\n\r]*")
_ARRAY, _OBJECT = b"[", b"{"

_KNOWN = {
    name: f'"{name}":'.encode()
    for name in (
        *("model", "messages", "prompt", "input", "system", "stream", "stream_options", "temperature", "top_p", "stop"),
        *("max_tokens", "max_completion_tokens", "user", "metadata", "seed", "tools", "tool_choice", "response_format"),
    )
}
"""Members that requests often have, as they are written."""

GATEWAY_MEMBERS = ("task_id", "session_id")
"""What `metadata` may hold for the gateway: taken out before forwarding."""


class RequestBody(msgspec.Struct, frozen=True, gc=False):
    """A body. members: all of them; task_id, session_id: of `metadata`, which is forwarded without them."""

    operation: Endpoint
    members: Members
    model: str
    task_id: str | None = None
    session_id: str | None = None

    @property
    def content(self) -> bytes:
        """The JSON of the input: the conversation, the prompt."""
        return self.members[self.operation.content]

    @property
    def whole(self) -> bytes:
        """All of it as JSON, our tags among it."""
        return _join(self.members)

    @property
    def is_stream(self) -> bool:
        """Whether a stream of events is asked for."""
        return self.members.get("stream") == b"true"

    @property
    def asks_for_usage(self) -> bool:
        """Whether a stream's client wants to be told what it took."""
        options = self.members.get("stream_options", b"")
        return options.startswith(_OBJECT) and split_members(options).get("include_usage") == b"true"

    def forwarded_members(self, model: bytes, with_usage: bool = False) -> bytes:
        """The body for a backend: see `parts`."""
        return b"".join(self.forwarded_parts(model, with_usage))

    def forwarded_parts(self, model: bytes, with_usage: bool = False) -> list[bytes]:
        """The body for a backend: `model` is its name there, as JSON; our tags are gone, all else is as it was.

        with_usage: the stream is to tell what it took, although its client did not ask.
        """
        changed = {**self.members, "model": model}
        if with_usage:
            options = self.members.get("stream_options", b"")
            asked = dict(split_members(options)) if options.startswith(_OBJECT) else {}
            changed["stream_options"] = _join({**asked, "include_usage": b"true"})
        if self.task_id is not None or self.session_id is not None:
            metadata = dict(split_members(self.members["metadata"]))
            for name in GATEWAY_MEMBERS:
                metadata.pop(name, None)
            if metadata:
                changed["metadata"] = _join(metadata)
            else:
                del changed["metadata"]
        return _parts(changed)


def parse_body(data: bytes, operation: Endpoint) -> RequestBody:
    """Raises InvalidRequest where the gateway cannot tell what to do with it; what else is wrong is the backend's."""
    members = split_members(data)
    if "model" not in members:
        raise InvalidRequest("you must provide a model parameter", param="model")
    model = _string(members["model"], "model")
    content = operation.content
    if content not in members:
        raise InvalidRequest(f"missing required parameter: '{content}'", param=content)
    if operation.is_array and not members[content].startswith(_ARRAY):
        raise InvalidRequest(f"'{content}' must be an array", param=content)
    return RequestBody(operation, members, model, *_tags(members))


def split_members(data: bytes) -> Members:
    """The top level of a JSON object. Raises InvalidRequest for anything else."""
    try:
        if not data.isascii():
            data.decode()
        return {name: bytes(value) for name, value in _decode_members(data).items()}
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: byte {error.start}") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply") from error
    except msgspec.ValidationError as error:
        raise InvalidRequest("the body must be a JSON object") from error
    except msgspec.DecodeError:
        # Either no JSON, or JSON with half a surrogate pair, which msgspec refuses and JavaScript clients send.
        return _members_slowly(data)


def is_json_object(data: bytes) -> bool:
    """Whether a backend's answer can be relayed as JSON."""
    try:
        split_members(data)
    except InvalidRequest:
        return False
    return True


def _tags(members: Members) -> tuple[str | None, ...]:
    """Ours in `metadata`, in the order of OURS."""
    metadata = members.get("metadata")
    if metadata is None or not metadata.startswith(_OBJECT):
        return (None,) * len(GATEWAY_MEMBERS)
    values = split_members(metadata)
    return tuple(_tag(values.get(name), name) for name in GATEWAY_MEMBERS)


def _tag(value: bytes | None, name: str) -> str | None:
    return None if value in (None, b"null") else _string(value or b"", f"metadata.{name}")


def _string(value: bytes, param: str) -> str:
    if value.startswith(b'"') and value.isascii() and b"\\" not in value:  # nearly always
        return value[1:-1].decode()
    found = json.loads(value)
    if not isinstance(found, str):
        raise InvalidRequest(f"'{param}' must be a string", param=param)
    return found


def json_string(text: str) -> bytes:
    """A string as JSON."""
    return json.dumps(text).encode()


def _join(members: Members) -> bytes:
    return b"".join(_parts(members))


def _parts(members: Members) -> list[bytes]:
    """As JSON, piece by piece: no value is copied."""
    parts = [b"{"]
    for name, value in members.items():
        parts += (_KNOWN.get(name) or json_string(name) + b":", value, b",")
    if members:
        parts[-1] = b"}"
    else:
        parts.append(b"}")
    return parts


def _members_slowly(data: bytes) -> dict[str, bytes]:
    """The same by the standard library, which takes surrogates as they come."""
    text = data.decode()
    members: dict[str, bytes] = {}
    try:
        place = _past(text, 0, "{")
        if not text.startswith("}", place):
            while True:
                name, place = _scan(text, place)
                start = _past(text, place, ":")
                _, place = _scan(text, start)
                if not isinstance(name, str):
                    raise ValueError("a member's name must be a string")
                members[name] = text[start:place].encode()
                place = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # matches everywhere
                if text.startswith("}", place):
                    break
                place = _past(text, place, ",")
        if text[place + 1 :].strip(" \t\n\r"):
            raise ValueError("something follows the object")
    except (ValueError, StopIteration) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error or 'it ends too early'}") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply") from error
    return members


def _past(text: str, place: int, mark: str) -> int:
    """The place after a punctuation mark and the spaces around it."""
    place = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # matches everywhere
    if not text.startswith(mark, place):
        raise ValueError(f"expected {mark!r} at character {place}")
    return _SPACE.match(text, place + 1).end()  # type: ignore[union-attr]  # matches everywhere


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _scan(text: str, place: int) -> tuple[Any, int]:
    """The value at a place, and the place after it."""
    return _DECODER.raw_decode(text, place)
