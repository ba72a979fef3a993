"""Calls from a thread into the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.errors import StateError

LOOP_CALL_TIMEOUT_S = 5.0


def run_in_loop(loop: asyncio.AbstractEventLoop | None, work: Callable[[], Any]) -> Any:
    """Run a job's work in the event loop and return its result. Raises StateError if the loop is gone or busy."""
    if loop is None or loop.is_closed():
        raise StateError("the gateway is stopping")

    async def run() -> Any:
        return work()

    try:
        return asyncio.run_coroutine_threadsafe(run(), loop).result(LOOP_CALL_TIMEOUT_S)
    except TimeoutError as error:
        raise StateError(f"the event loop did not run a job within {LOOP_CALL_TIMEOUT_S:g} s") from error
