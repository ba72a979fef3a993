"""Stops the work for a client that has left: nobody would read the answer, and the backend should stop making it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.http.asgi import Receive
from gateway.http.read_body import ClientDisconnected


@asynccontextmanager
async def cancel_on_disconnect(receive: Receive) -> AsyncIterator[None]:
    """Cancels what runs inside as soon as the client disconnects, and raises ClientDisconnected in its place."""
    scope = asyncio.timeout(None)  # the standard library's cancel scope: expires when we say so
    try:
        async with scope:
            watch = asyncio.create_task(_watch(receive, scope))
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError as error:
        if scope.expired():
            raise ClientDisconnected from error
        raise


async def _watch(receive: Receive, scope: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.reschedule(asyncio.get_running_loop().time())
