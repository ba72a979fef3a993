"""What a passed-through request and its response said, for the request log: JSON and text; else type and size."""

import json

from gateway.errors import InvalidRequest
from gateway.http.headers import Headers, first_value
from gateway.http.json_members import split_members
from gateway.http.request_body import RequestBody
from gateway.http.sse import is_event_stream
from gateway.proxy.body_capture import MAX_CAPTURED_BYTES, BodyCapture
from gateway.proxy.passthrough.bodies import Body, HeldBody
from gateway.proxy.passthrough.endpoints import PassthroughEndpoint

SHOWN_AS = "input"
"""Member under which a body that is no JSON object is logged."""


class ExchangeCapture:
    """Takes the bodies of one exchange; made only where the request log stores them."""

    def __init__(self, endpoint: PassthroughEndpoint, body: Body) -> None:
        self._endpoint, self._body = endpoint, body
        self._pieces: list[bytes] = []
        self._size = 0
        self._headers: Headers = ()

    def begin_response(self, headers: Headers) -> None:
        """Take the response's head."""
        self._headers = headers

    def add_piece(self, piece: bytes) -> None:
        """Take a piece of the response. Of one that is longer than MAX_CAPTURED_BYTES, only the size is logged."""
        self._size += len(piece)
        if self._size <= MAX_CAPTURED_BYTES or is_event_stream(self._headers):
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def finish(self) -> BodyCapture:
        """Return what was said. Called once nothing more comes."""
        captured = BodyCapture(RequestBody(self._endpoint.record_endpoint, _members(self._body), ""), [])
        captured.add_piece(self._answer())
        return captured

    def _answer(self) -> bytes:
        kind = _media_type(first_value(self._headers, b"content-type"))
        has_coding = first_value(self._headers, b"content-encoding") not in (None, b"identity")
        is_whole = bool(self._pieces) and not has_coding
        data = b"".join(self._pieces)
        if is_whole and (is_event_stream(self._headers) or kind.endswith("json")):
            return data
        if is_whole and kind.startswith("text/"):
            return json.dumps(data.decode("utf-8", "replace")).encode()
        return _describe(kind, self._size) if self._size else b""


def _members(body: Body) -> dict[str, bytes]:
    """Return the members of a JSON body; of another one its type and size."""
    if body.content_type is None:
        return {}
    kind = _media_type(body.content_type)
    if isinstance(body, HeldBody) and kind.endswith("json"):
        try:
            return dict(split_members(body.data))
        except InvalidRequest:
            pass  # it is the backend's to refuse
    return {SHOWN_AS: _describe(kind, body.received_bytes)}


def _media_type(content_type: bytes | None) -> str:
    return (content_type or b"").partition(b";")[0].strip().lower().decode("latin-1") or "no type"


def _describe(kind: str, size: int) -> bytes:
    return json.dumps(f"[{kind}, {size} bytes]").encode()
