"""Waiting for something, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(found: Callable[[], T], limit_s: float = 20.0) -> T:
    """The first true value; fails when none comes in time."""
    deadline = time.monotonic() + limit_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing after {limit_s:g} s"
        time.sleep(0.02)
    return value
