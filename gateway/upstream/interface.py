"""What a backend is asked, and what it answers."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from gateway.http.headers import ForwardedHeaders, Headers
from gateway.http.request_body import RequestBody


class UpstreamRequest(msgspec.Struct, frozen=True, gc=False):
    """A client's request on its way. onward: of its headers. connect_s: time for connecting.

    with_usage: the stream is to tell what it took, although the client did not ask.
    """

    body: RequestBody
    forwarded: ForwardedHeaders
    connect_s: float = 5.0
    with_usage: bool = False


class UpstreamResponse(Protocol):
    """A backend's answer whose status has come. Whoever holds one closes it."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Headers:
        """Its headers."""

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of events."""

    async def read_body(self) -> bytes:
        """All of the body. Raises UpstreamFault."""

    def iter_chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, with the backend's own boundaries where they are known. Raises UpstreamFault."""

    def close(self) -> None:
        """Lets go of the connection; one whose body has not been read to its end is not used again."""


class Backend(Protocol):
    """An endpoint that serves one model."""

    @property
    def name(self) -> str:
        """What headers, metrics and messages call it: never an address, never a key."""

    @property
    def weight(self) -> float:
        """Its share among the model's backends."""

    async def open_response(self, call: UpstreamRequest) -> UpstreamResponse:
        """Sends the request and waits for the status, however long it takes. Raises UpstreamFault."""

    async def close(self) -> None:
        """Lets go of its connections."""
