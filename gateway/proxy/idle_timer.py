"""A client's connection between its requests: one timer for many of them, and a client that does not read waits."""

import asyncio

from gateway.http.strict_protocol import StrictHttpProtocol


class IdleTimedProtocol(StrictHttpProtocol):
    """A connection that goes from one request to the next without setting a timer for each."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """Begin a connection."""
        super().connection_made(transport)
        self._is_between = True
        self._idle_since = 0.0
        self._waits_to_go_on = False

    def resume_writing(self) -> None:
        """Take the next request: the client has read what was written."""
        super().resume_writing()
        if self._waits_to_go_on:
            self._waits_to_go_on = False
            self.on_response_complete()

    def on_response_complete(self) -> None:
        """Start the request that waits behind the last one, or wait for another one."""
        # uvicorn counts requests here, for a limit that is not set.
        if self.transport.is_closing():
            self._write_timer.watch_close(self.transport)
            return
        if self.flow.write_paused:
            # A client that sends requests and reads no responses would fill the buffer (RFC 9112, 9.3.2).
            self.flow.pause_reading()
            self._waits_to_go_on = True
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_idle(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for long enough, else wait for the rest of the time."""
        self.timeout_keep_alive_task = None
        if self._in_head or (self.cycle is not None and not self.cycle.response_complete):
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._wait_idle(left_s)
        else:
            super().timeout_keep_alive_handler()

    @property
    def idle_since(self) -> float | None:
        """When the connection became idle, by the loop's clock; None while a request is read or answered."""
        # The timer runs on through requests, so it says nothing here.
        if self.cycle is None or not (self._is_between and self._is_free()) or self._waits_to_go_on:
            return super().idle_since if self.cycle is None else None
        return None if self.transport.is_closing() else self._idle_since

    def _wait_idle(self, wait_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(wait_s, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer running: cancelling and setting it anew for every request costs more than one late call."""

    def _is_free(self) -> bool:
        """Return whether no other request of the connection is being answered."""
        return self.cycle is None or self.cycle.response_complete
