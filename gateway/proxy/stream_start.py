"""A stream until it says something: the handler between its first piece and gateway.proxy.stream_relay."""

from typing import TYPE_CHECKING

from gateway.http.headers import Headers
from gateway.proxy.error_reader import ErrorReader
from gateway.proxy.stream_opening import StreamOpening
from gateway.upstream.errors import ErrorInBody, ErrorResponse, UpstreamFault

if TYPE_CHECKING:
    from gateway.proxy.upstream_call import UpstreamCall


class StreamStart:
    """The handler of a stream that has said nothing yet."""

    __slots__ = ("_call", "_head", "_opening")

    def __init__(self, call: "UpstreamCall", status: int, headers: Headers) -> None:
        """status, headers: of the stream."""
        self._call, self._head = call, (status, headers)
        self._opening = StreamOpening(call.exchange.endpoint)

    def on_head(self, status: int, headers: Headers) -> None:
        """Do nothing: the head has come before."""

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Take more of the stream, and begin to relay it once it says something."""
        call, opening = self._call, self._opening
        try:
            opening.feed(data)
            if opening.is_over:
                call.begin_stream(opening.take_all())
            elif isinstance(opening.fault, ErrorInBody):
                reader = ErrorReader(*self._head, call.end_error)
                reader.begin_with(opening.fault, opening.take_all())
                call.read_error(reader)
            elif opening.fault is not None:
                call.on_error(opening.fault)
            else:
                call.wait_for_life(opening.take_idle)
        except Exception:
            call.exchange.fail_internally()

    def on_complete(self) -> None:
        """End a stream that has said nothing."""
        fault = self._opening.end()
        if isinstance(fault, ErrorInBody):
            fault.response = ErrorResponse(*self._head, self._opening.take_all())
        self._call.end_unsaid(fault)

    def on_error(self, fault: UpstreamFault) -> None:
        """Receive the reason why nothing more comes."""
        self._call.on_error(fault)

    def take_idle(self) -> bytes:
        """Return the signs of life that may pass on already."""
        return self._opening.take_idle()
