"""Waiting for a condition, with a deadline. Tests wait here and not with a sleep of their own."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.02
QUIET_S = 0.3


def eventually(found: Callable[[], T], limit_s: float = 20.0) -> T:
    """Return the first true value of `found`; fail if none comes within limit_s seconds."""
    deadline = time.monotonic() + limit_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing after {limit_s:g} s"
        time.sleep(POLL_S)
    return value


async def eventually_async(found: Callable[[], T], limit_s: float = 20.0) -> T:
    """Return the first true value of `found` while the event loop runs; fail if none comes within limit_s seconds."""
    deadline = time.monotonic() + limit_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing after {limit_s:g} s"
        await asyncio.sleep(POLL_S)
    return value


class Settled:
    """A condition for `eventually`: true once a value is positive and has not changed for quiet_s seconds."""

    def __init__(self, read: Callable[[], int], quiet_s: float = QUIET_S) -> None:
        self._read, self._quiet_s = read, quiet_s
        self._value, self._since = 0, time.monotonic()

    def __call__(self) -> bool:
        value, now = self._read(), time.monotonic()
        if value != self._value:
            self._value, self._since = value, now
        return value > 0 and now - self._since >= self._quiet_s
