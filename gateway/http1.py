"""HTTP/1.1 as uvicorn leaves it, tightened: what has no bound there gets one, and what parsers disagree on is refused.

uvicorn's httptools protocol keeps headers of any number and size, waits for them without end, takes a request without
Host or with two (RFC 9112, 3.2, says 400), and writes a refusal into the middle of an answer that is still going on.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_FIELDS = 128
HEAD_S = 30.0
"""How long a request's head may take to come, and a new connection to say its first word."""

VERSIONS = ("1.0", "1.1")
TOO_MUCH, TOO_SLOW = 431, 408


class Refused(Exception):
    """Ends the parsing of a request. status: of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class StrictHttp(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._in_head = True
        self._fed = 0
        self._why = Refused(400, "this is no valid HTTP request")
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._fed += len(data)
            if self._fed > HEAD_BYTES:
                self._refuse(Refused(TOO_MUCH, f"the request's head is larger than {HEAD_BYTES} bytes"))
            elif self._timer is None:
                self._wait()

    def on_message_begin(self) -> None:
        """See httptools."""
        self._in_head, self._fed = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See httptools. An exception in here ends the connection, by send_400_response."""
        self._in_head = False
        self._stop_waiting()
        refused = self._unacceptable()
        if refused is not None:
            self._why = refused
            raise refused
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when parsing has failed."""
        self._refuse(self._why)

    def _unacceptable(self) -> Refused | None:
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            return Refused(400, "HTTP/1.1 is spoken here")
        hosts = size = 0
        for name, value in self.headers:
            hosts += name == b"host"
            size += len(name) + len(value)
        if hosts != 1 and (hosts > 1 or version == "1.1"):
            return Refused(400, "a request must have one Host header")
        if len(self.headers) > HEAD_FIELDS or size > HEAD_BYTES:
            return Refused(TOO_MUCH, f"a request may have {HEAD_FIELDS} headers of {HEAD_BYTES} bytes together")
        return None

    def _refuse(self, why: Refused) -> None:
        """An answer, and the end of the connection; where an answer is still going on, the end comes after it."""
        self._stop_waiting()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # of an earlier request, which was sound
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        body = json.dumps(_envelope(str(why))).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[why.status] + head + body)
        self.transport.close()

    def _wait(self) -> None:
        slow = Refused(TOO_SLOW, f"the request's head did not come within {HEAD_S:g} seconds")
        self._timer = self.loop.call_later(HEAD_S, self._refuse, slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _envelope(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "bad_http"}}
