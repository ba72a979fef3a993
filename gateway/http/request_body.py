"""Parsing of a request's body, and the body as it is forwarded.

Re-encoding JSON changes it: thirty-digit integers turn into floats, lone surrogates are refused, nulls are dropped.
Therefore only the top level is split, every member's value remains the bytes that the client wrote, and the forwarded
body is these values, one after the other. Of a repeated member the last counts, as in every common parser; the earlier
one is not forwarded, so that gateway and backend cannot read different values.
"""

import json

import msgspec

from gateway.errors import InvalidRequest
from gateway.http.endpoints import Endpoint
from gateway.http.json_members import Members, split_members
from gateway.vocabulary import is_routed_model

_OBJECT = b"{"
# Numbers, since `x in data` tries to take bytes for one first, and that fails with an exception: 2,300 instructions.
_QUOTE, _BACKSLASH, _BRACKET = b'"\\['
_FLAGS = (b"null", b"true", b"false")

_ENCODED_NAMES = {
    name: f'"{name}":'.encode()
    for name in (
        *("model", "messages", "prompt", "input", "system", "stream", "stream_options", "temperature", "top_p", "stop"),
        *("max_tokens", "max_completion_tokens", "user", "metadata", "seed", "tools", "tool_choice", "response_format"),
    )
}
"""Frequent members' names as JSON, with their colon."""

INPUTLESS = frozenset({"model", "stream", "stream_options", "metadata", "user"})
"""Members that say nothing of a request's input."""

GATEWAY_MEMBERS = ("task_id", "session_id")
"""Members of `metadata` for the gateway; they are removed before forwarding."""


class RequestBody(msgspec.Struct, frozen=True, gc=False):
    """A parsed body.

    Attributes:
        operation: the endpoint it was sent to.
        members: top-level members, by name, as JSON.
        model: value of `model`.
        task_id: `metadata.task_id`, which is not forwarded.
        session_id: `metadata.session_id`, which is not forwarded.
    """

    operation: Endpoint
    members: Members
    model: str
    task_id: str | None = None
    session_id: str | None = None

    @property
    def content(self) -> bytes:
        """The input as JSON: the conversation or the prompt; empty where the body has it in another form."""
        return self.members.get(self.operation.content, b"")

    @property
    def encoded(self) -> bytes:
        """The whole body as JSON, with the gateway's members."""
        return _join_members(self.members)

    @property
    def is_stream(self) -> bool:
        """True if the client asks for a stream of events."""
        return self.members.get("stream") == b"true"

    @property
    def asks_for_usage(self) -> bool:
        """True if the client asks for the usage event of its stream."""
        options = self.members.get("stream_options", b"")
        return options.startswith(_OBJECT) and split_members(options).get("include_usage") == b"true"

    def forwarded_members(self, model: bytes, with_usage: bool = False) -> bytes:
        """Return the body for a backend in one piece: `forwarded_parts`, joined."""
        return b"".join(self.forwarded_parts(model, with_usage))

    def forwarded_parts(self, model: bytes, with_usage: bool = False) -> list[bytes]:
        """Return the body for a backend, in pieces: without the gateway's members, all else as the client wrote it.

        model: its name at the backend, as JSON. with_usage: asks for the usage event, although the client did not.
        """
        changed = {**self.members, "model": model}
        if with_usage:
            options = self.members.get("stream_options", b"")
            previous = dict(split_members(options)) if options.startswith(_OBJECT) else {}
            changed["stream_options"] = _join_members({**previous, "include_usage": b"true"})
        if self.task_id is not None or self.session_id is not None:
            metadata = dict(split_members(self.members["metadata"]))
            for name in GATEWAY_MEMBERS:
                metadata.pop(name, None)
            # OpenAI refuses `metadata` without `store`: none is sent where only the gateway's members were in it.
            if metadata:
                changed["metadata"] = _join_members(metadata)
            else:
                del changed["metadata"]
        return _encode_parts(changed)


def parse_body(data: bytes, operation: Endpoint) -> RequestBody:
    """Parse a request's body. Raises InvalidRequest for what routing needs; the rest is for the backend to check."""
    members = split_members(data)
    if "model" not in members:
        raise InvalidRequest("The request body has no `model`: name a model, or `auto`.", param="model")
    model = _decode_string(members["model"], "model")
    # Backends differ in what they take for true: 1 and "true" stream at some of them. A stream that the gateway takes
    # for a whole body would be neither inspected nor priced.
    if members.get("stream", b"null") not in _FLAGS:
        raise InvalidRequest("'stream' must be true or false", param="stream")
    given = members.get(operation.content)
    if given is None or (operation.is_array and given[0] != _BRACKET):
        _check_input(members, model, operation)
    return RequestBody(operation, members, model, *_metadata_values(members))


def _check_input(members: Members, model: str, operation: Endpoint) -> None:
    """Raise InvalidRequest where a request has nothing that a model could be chosen for.

    Endpoints take an input in other forms too (`prompt`, `conversation`, `previous_response_id`, vLLM's), and which of
    them are valid is for the backend to say: only a body without any other member certainly has none.
    """
    content = operation.content
    if not is_routed_model(model):
        return
    if content in members:
        raise InvalidRequest(f"'{content}' must be an array", param=content)
    if members.keys() <= INPUTLESS:
        raise InvalidRequest(f"missing required parameter: '{content}'", param=content)


def replace_model(data: bytes, model: str) -> bytes:
    """Return a body with another `model`; what is no JSON object stays as it is."""
    try:
        members = split_members(data)
    except InvalidRequest:
        return data
    return _join_members({**members, "model": json_string(model)})


def _metadata_values(members: Members) -> tuple[str | None, ...]:
    """Return the gateway's members of `metadata`, in the order of GATEWAY_MEMBERS."""
    metadata = members.get("metadata")
    if metadata is None or not metadata.startswith(_OBJECT):
        return (None,) * len(GATEWAY_MEMBERS)
    values = split_members(metadata)
    return tuple(_metadata_value(values.get(name), name) for name in GATEWAY_MEMBERS)


def _metadata_value(value: bytes | None, name: str) -> str | None:
    return None if value in (None, b"null") else _decode_string(value or b"", f"metadata.{name}")


def _decode_string(value: bytes, param: str) -> str:
    # Names have neither escapes nor other alphabets, nearly always: then the bytes are the text.
    if value[0] == _QUOTE and value.isascii() and _BACKSLASH not in value:
        return value[1:-1].decode()
    decoded = json.loads(value)
    if not isinstance(decoded, str):
        raise InvalidRequest(f"'{param}' must be a string", param=param)
    return decoded


def json_string(text: str) -> bytes:
    """Return a string as JSON."""
    return json.dumps(text).encode()


def _join_members(members: Members) -> bytes:
    return b"".join(_encode_parts(members))


def _encode_parts(members: Members) -> list[bytes]:
    """Return members as the pieces of a JSON object."""
    # Pieces, because joining them copies every value: 0.4 us for 100 KB in place of 1.4, and the socket takes a list.
    parts = [b"{"]
    for name, value in members.items():
        parts += (_ENCODED_NAMES.get(name) or json_string(name) + b":", value, b",")
    if members:
        parts[-1] = b"}"
    else:
        parts.append(b"}")
    return parts
