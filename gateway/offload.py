"""Work that takes long, in a thread beside the event loop: requests go on meanwhile, and hardly wait for it."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

SWITCH_INTERVAL_S = 0.0005
"""Seconds that a thread keeps the interpreter while another waits: the event loop waits so long at every turn while a
thread computes. Python's default is 5 ms."""

MANY_OBJECTS = 3_000
"""Objects of a result that the garbage collector is not to look at."""

P = ParamSpec("P")
T = TypeVar("T")


async def offload(work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Run work in a thread and return its result.

    What it makes lives on, or goes by its reference counts. To look for cycles in it stops all threads, for 50 ms where
    it is a configuration of 1,000 tasks: the collector is off meanwhile, and looks at nothing so large afterwards.
    """

    # Here, and not in the thread: between the two lines another call's end must not switch the collector on.
    is_enabled = gc.isenabled()  # not before the gateway has started
    if is_enabled:
        gc.collect(1)  # what requests left last, a few thousand objects: it could stay for good
    gc.disable()
    try:
        return await asyncio.to_thread(work, *args, **options)
    finally:
        if is_enabled:
            # What it has made is in the youngest generation. Cycles that others left in the oldest are kept with it: so
            # not for little, which is looked at in a millisecond.
            if gc.get_count()[0] > MANY_OBJECTS:
                gc.freeze()
            gc.enable()


def release(objects: list[Any]) -> None:
    """Give up objects one by one, in a thread: to free 5,000 policies in one piece takes the event loop 5 ms.

    objects: what nothing else refers to any more, or soon does not; empty afterwards.
    """
    while objects:
        objects.pop()
