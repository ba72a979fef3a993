"""What follows a request from one service to the next, where the gateway is told to."""

from typing import Protocol

from gateway.http.asgi import RawHeaders
from gateway.proxy.request_record import RequestRecord


class Tracing(Protocol):
    """Neither method waits, or raises."""

    def begin_span(self, headers: RawHeaders, progress: RequestRecord) -> RawHeaders:
        """The request is understood. Returns its headers with the context that its backend is to see."""

    def end_span(self, progress: RequestRecord) -> None:
        """It has ended, in whatever way; it may not have begun."""
