"""Reading of a backend's error to its end, before another backend is asked: it may be the last word."""

from collections.abc import Callable

from gateway.http.headers import Headers
from gateway.upstream.errors import ErrorInBody, ErrorResponse, UpstreamFault, error_status

MAX_ERROR_BYTES = 64 * 1024
"""Of a longer error the beginning is enough."""

ERROR_BODY_S = 0.5
"""Time for the rest of an error: longer, and the next backend is asked without it."""


class ErrorReader:
    """The handler of the rest of a response that is an error.

    Attributes:
        is_complete: Its end has come.
    """

    __slots__ = ("_body", "_ended", "_fault", "_head", "_size", "is_complete")

    def __init__(self, status: int, headers: Headers, ended: Callable[[], None]) -> None:
        """ended: called once, when nothing more is read."""
        self._head = status, headers
        self._ended = ended
        self._body: list[bytes] = []
        self._size = 0
        self._fault: UpstreamFault | None = None
        self.is_complete = False

    def begin_with(self, fault: UpstreamFault, body: bytes) -> None:
        """Note an error that came with status 200, and what of its response has come."""
        self._fault = fault
        self._body.append(body)

    def make_fault(self) -> UpstreamFault:
        """Return the fault, with what was said."""
        status, headers = self._head
        body = b"".join(self._body)
        if self._fault is None:
            return error_status(status, headers, body)
        if isinstance(self._fault, ErrorInBody):
            self._fault.response = ErrorResponse(status, headers, body)
        return self._fault

    def on_head(self, status: int, headers: Headers) -> None:
        """Do nothing: the head has come before."""

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Take more of the body."""
        self._body.append(data)
        self._size += len(data)
        if self._size > MAX_ERROR_BYTES:
            self._ended()

    def on_complete(self) -> None:
        """End the reading."""
        self.is_complete = True
        self._ended()

    def on_error(self, fault: UpstreamFault) -> None:
        """End the reading: what has come is the error."""
        self._ended()
