"""Work of the event loop that grows with what there is, in slices: requests have their turn between them."""

import asyncio
import time
from collections.abc import Callable

SLICE_S = 0.001
"""Time that such work takes before requests have their turn."""


class LoopShare:
    """Somebody's share of the event loop: it works in slices, and the requests beside it wait for one at most."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """clock: in seconds."""
        self._clock = clock
        self._until = clock() + SLICE_S

    async def give_way(self) -> None:
        """Let others work where the slice is used up. Called after every row."""
        if self._clock() >= self._until:
            await asyncio.sleep(0)
            self._until = self._clock() + SLICE_S
