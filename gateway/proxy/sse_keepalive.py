"""Signs of life for a client whose stream has not begun, so that idle hops on the way do not cut a slow model off.

The first one commits to an answer: status 200, with the headers as they are known by then. Backends are still tried one
after the other; what goes wrong from then on is told by an event in the stream.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.http.asgi import Message, Send, response_body

KEEPALIVE_COMMENT = b": keepalive\n\n"
"""A line that begins with a colon is a comment (WHATWG HTML, 9.2.6)."""


@asynccontextmanager
async def send_keepalives(
    every_s: float | None, begin: Callable[[], Message | None], send: Send
) -> AsyncIterator[None]:
    """While the block runs, begins the answer after `every_s` and sends a comment that often. None: never.

    begin: gives the answer's beginning, None where it has begun.
    """
    if every_s is None:
        yield
        return
    comments: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    timer = loop.call_later(every_s, lambda: comments.append(loop.create_task(_comments(every_s, begin, send))))
    try:
        yield
    finally:
        timer.cancel()
        for task in comments:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _comments(every_s: float, begin: Callable[[], Message | None], send: Send) -> None:
    beginning = begin()
    if beginning is not None:
        await send(beginning)
    while True:
        await send(response_body(KEEPALIVE_COMMENT, more=True))
        await asyncio.sleep(every_s)
