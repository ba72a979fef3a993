"""A worker's end of the connection with its parent."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.errors import RequestError, StateError
from gateway.hub.messages import ToWorker, read_from_parent
from gateway.scorer.client import PendingReplies
from gateway.scorer.embedded.framing import FrameError, encode_frame
from gateway.scorer.messages import Reply

log = logging.getLogger("benchroute")

CALL_S = 3.0
"""Time for the parent to answer a call; requests do not wait for it."""

Handler = Callable[[Any], None]


class ParentLink:
    """The connection of a worker. Lives in the event loop."""

    def __init__(self, descriptor: int) -> None:
        """descriptor: of the socket, which this process has inherited."""
        self.replies = PendingReplies()
        self.handlers: dict[type, Handler] = {Reply: self.replies.resolve}
        """What is done with the parent's messages, by their type; others are left."""
        self._descriptor = descriptor
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to read; what the parent has sent before waits in the socket."""
        reader, self._writer = await asyncio.open_connection(sock=socket.socket(fileno=self._descriptor))
        self._reading = asyncio.create_task(self._read(reader))

    async def close(self) -> None:
        """Send what is written, and close the connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)
            self._writer = None

    def send(self, message: msgspec.Struct) -> None:
        """Send a message, without waiting; it is lost where the parent is gone, as this process soon is."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode_frame(message))

    async def drain(self) -> None:
        """Wait until the parent has read most of what was sent."""
        if self._writer is not None:
            await asyncio.gather(self._writer.drain(), return_exceptions=True)

    async def call(self, make: Callable[[int], msgspec.Struct], timeout_s: float = CALL_S) -> Mapping[str, Any]:
        """Send what `make` returns for a number, and return its reply's document. Raises StateError."""
        number = self.replies.next_id()
        try:
            return await self.replies.request_reply(number, lambda: self.send(make(number)), timeout_s)
        except TimeoutError as error:
            raise StateError(f"the parent process did not answer within {timeout_s:g} s") from error
        except RequestError as error:
            raise StateError(str(error)) from error

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (message := await read_from_parent(reader)) is not None:
                self._handle(message)
                await asyncio.sleep(0)  # a pack's change sends thousands at once: requests come between
        except FrameError as error:
            log.error("cannot read from the parent process: %s", error)
        # Out of touch, this worker would count limits for itself: it finishes its requests, and another one begins.
        log.warning("the connection with the parent process has ended, and with it this worker")
        self.replies.fail_all("the parent process is gone")
        os.kill(os.getpid(), signal.SIGTERM)

    def _handle(self, message: ToWorker) -> None:
        handler = self.handlers.get(type(message))
        if handler is None:
            return
        try:
            handler(message)
        except Exception:  # the edge of a background job
            log.exception("a message of the parent process could not be handled")
